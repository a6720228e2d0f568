# SPDX-License-Identifier: Apache-2.0
"""What a matrix file says, what its jobs are, and which line is wrong."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from uvtrace.errors import UsageError
from uvtrace.nightly.job import Job, jobs_of
from uvtrace.nightly.matrix import Matrix, read_matrix, releases_of

DOCUMENT = """\
format = 1

[kernels]
"6.1" = '6\\.1\\.\\d+-\\d+-amd64'
"6.12" = '6\\.12\\..*'

[devices.e1000]
spec = "qemu:e1000"
driver = { "6.12" = "my/e1000.ko" }

[devices.nvme]
spec = "qemu:nvme,max_ioqpairs=2"
driver = "nvme"
memory = true
kernels = ["6.1"]
workloads = ["idle"]

[workloads.network]
command = '''
[devices.this-is-no-header]
ping -c 5 10.0.2.2
'''
timeout_s = 30
repetitions = 2

[workloads]
idle = { command = "sleep 1" }

[checks]
select = ["dma", "IRQ001"]
require = ["DMA001"]

[[expected]]
rule = "DMA007"
device = "e1000*"
reason = "known"
expires = 2027-03-31

[[expected]]
signature = "IRQ001:*"
reason = "known, too"

[limits]
jobs = 3
ram = "512M"
bytes = 1_000_000
"""
RELEASES = {"6.1": "6.1.0-56-amd64", "6.12": "6.12.107+deb12-amd64"}
RULES = ("DMA001", "DMA007", "IRQ001")


def written(folder: Path, text: str = DOCUMENT) -> Path:
    (folder / "my").mkdir(exist_ok=True)
    (folder / "my/e1000.ko").write_bytes(b"module")
    path = folder / "matrix.toml"
    path.write_text(text)
    return path


def read(folder: Path, text: str = DOCUMENT) -> Matrix:
    return read_matrix(written(folder, text), RULES)


def jobs(folder: Path, text: str = DOCUMENT) -> dict[str, Job]:
    return {job.key: job for job in jobs_of(read(folder, text), RELEASES)}


def refusal(folder: Path, old: str, new: str) -> str:
    assert old in DOCUMENT
    with pytest.raises(UsageError) as caught:
        read(folder, DOCUMENT.replace(old, new, 1))
    return str(caught.value).replace(f"{folder}/", "")


def test_every_section_is_read(tmp_path: Path) -> None:
    matrix = read(tmp_path)
    assert [device.name for device in matrix.devices] == ["e1000", "nvme"]
    assert [workload.name for workload in matrix.workloads] == ["network", "idle"]
    assert matrix.workloads[0].command.splitlines()[1] == "ping -c 5 10.0.2.2"
    assert matrix.checks.selection.select == ("DMA", "IRQ001")
    assert (matrix.limits.jobs, matrix.limits.ram_bytes) == (3, 512 << 20)
    assert matrix.limits.trace_bytes == 1_000_000
    assert matrix.limits.reports_s == 600
    assert [device.setup for device in matrix.devices] == [True, True]
    assert matrix.expected[0].expires == datetime.date(2027, 3, 31)
    assert matrix.expected[1].origin.endswith("matrix.toml:39")


@pytest.mark.parametrize("kind", ["trace:my/run.pcapng", "model:my/nic.py"])
def test_a_device_s_file_is_found_from_the_matrix_s_folder(kind: str, tmp_path: Path) -> None:
    written(tmp_path)
    name = kind.partition(":")[2]
    (tmp_path / name).write_bytes(b"")
    device = read(tmp_path, DOCUMENT.replace("qemu:e1000", f"{kind},mac=1", 1)).devices[0]
    assert device.spec == f"{kind.partition(':')[0]}:{tmp_path / name},mac=1"


def test_jobs_are_the_combinations_that_the_devices_name(tmp_path: Path) -> None:
    assert list(jobs(tmp_path)) == [
        "6.1/e1000/network/1",
        "6.1/e1000/idle/1",
        "6.1/nvme/idle/1",
        "6.12/e1000/network/1",
        "6.12/e1000/idle/1",
        "6.1/e1000/network/2",
        "6.12/e1000/network/2",
    ]


def test_a_kernel_that_is_not_there_has_no_jobs(tmp_path: Path) -> None:
    matrix = read(tmp_path)
    found, missing = releases_of(matrix.kernels, ["6.12.107+deb12-amd64", "6.1.0-56-rt-amd64"])
    assert (found, missing) == ({"6.12": "6.12.107+deb12-amd64"}, ("6.1",))
    assert {job.place.kernel for job in jobs_of(matrix, found)} == {"6.12"}
    with pytest.raises(UsageError, match="no job"):
        jobs_of(matrix, {})


def test_the_newest_release_that_fits_stands_for_a_kernel() -> None:
    found, _ = releases_of({"6.1": r"6\.1\..*"}, ["6.12.1", "6.1.9", "6.1.8"])
    assert found == {"6.1": "6.1.9"}


def test_a_driver_takes_the_place_of_the_stock_one_on_one_kernel(tmp_path: Path) -> None:
    found = jobs(tmp_path)
    assert found["6.1/e1000/idle/1"].driver == ""
    assert found["6.12/e1000/idle/1"].driver == str(tmp_path / "my/e1000.ko")
    assert found["6.1/nvme/idle/1"].driver == "nvme"


def test_a_digest_is_that_of_what_the_job_depends_on(tmp_path: Path) -> None:
    before = jobs(tmp_path)
    assert jobs(tmp_path) == before
    longer = jobs(tmp_path, DOCUMENT.replace("sleep 1", "sleep 2"))
    changed = {key for key, job in longer.items() if job.digest != before[key].digest}
    assert changed == {"6.1/e1000/idle/1", "6.1/nvme/idle/1", "6.12/e1000/idle/1"}


def test_another_driver_in_the_same_file_is_another_job(tmp_path: Path) -> None:
    path = written(tmp_path)
    before = {job.key: job.digest for job in jobs_of(read_matrix(path), RELEASES)}
    (tmp_path / "my/e1000.ko").write_bytes(b"another module")
    after = {job.key: job.digest for job in jobs_of(read_matrix(path), RELEASES)}
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {key for key in after if key.startswith("6.12/e1000")}


def test_the_same_matrix_in_another_folder_has_the_same_jobs(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = jobs(tmp_path / "a"), jobs(tmp_path / "b")
    assert {key: job.digest for key, job in one.items()} == {
        key: job.digest for key, job in other.items()
    }


def test_what_does_not_change_the_jobs_does_not_change_digests(tmp_path: Path) -> None:
    fewer = jobs(tmp_path, DOCUMENT.replace("jobs = 3", "jobs = 1"))
    before = jobs(tmp_path)
    assert {key: job.digest for key, job in fewer.items()} == {
        key: job.digest for key, job in before.items()
    }


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 2", "matrix.toml:1: format is not 1"),
        ("[limits]", "[limit]", "matrix.toml:43: 'limit' is not known here"),
        ("jobs = 3", "jobs = 0", "matrix.toml:44: jobs is no whole number from 1"),
        ("jobs = 3", "jobs = true", "matrix.toml:44: jobs is no whole number"),
        ('ram = "512M"', 'ram = "lots"', "matrix.toml:45: ram is no size"),
        ("timeout_s = 30", "timeout_s = nan", "matrix.toml:23: timeout_s is no number of seconds"),
        ("timeout_s = 30", "timeout = 30", "matrix.toml:23: 'timeout' is not known here"),
        ('"qemu:e1000"', '"qemu:"', "matrix.toml:8: qemu:: not a device"),
        ('spec = "qemu:e1000"\n', "", "matrix.toml:7: spec is missing"),
        ('"qemu:e1000"', '"trace:run.pcapng"', "matrix.toml:8: there is no file run.pcapng"),
        ('"qemu:e1000"', '"model:mine.py"', "matrix.toml:8: there is no file mine.py"),
        ("my/e1000.ko", "e1001.ko", "matrix.toml:9: there is no file e1001.ko"),
        ('"6.12" = "my', '"6.13" = "my', "matrix.toml:9: '6.13' is not known here"),
        ('["6.1"]', '["6.2"]', "matrix.toml:15: '6.2' is not in kernels"),
        ('["idle"]', '"idle"', "matrix.toml:16: workloads is no list of texts"),
        ("memory = true", "setup = 1", "matrix.toml:14: setup is neither true nor false"),
        ("jobs = 3", "reports = -1", "matrix.toml:44: reports is no number of seconds"),
        ("memory = true", "memory = 1", "matrix.toml:14: memory is neither true nor false"),
        ("'6\\.12\\..*'", "'6.12('", "matrix.toml:5: 6.12 is no pattern"),
        ('"dma"', '"DMB"', "matrix.toml:30: 'DMB' names no rule"),
        ('rule = "DMA007"', 'rule = "DMX"', "matrix.toml:34: 'DMX' names no rule"),
        ('reason = "known"\n', "", "matrix.toml:33: reason is missing"),
        ('reason = "known"', 'reason = " "', "matrix.toml:36: reason is no text, or empty"),
        ("2027-03-31", '"2027-03-31"', "matrix.toml:37: expires is no date"),
        ('"IRQ001:*"', '""', "matrix.toml:40: signature is no text, or empty"),
        ('signature = "IRQ001:*"\n', "", "matrix.toml:39: an expected finding has a signature"),
        ("[devices.e1000]", '[devices."a/b"]', "matrix.toml:7: 'a/b' is no name"),
        ('"sleep 1" }', '"sleep 1", often = 2 }', "matrix.toml:27: 'often' is not known here"),
        ("[kernels]", "[kernels", "matrix.toml:3: not TOML"),
    ],
)
def test_an_error_names_the_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert refusal(tmp_path, old, new).startswith(said)


@pytest.mark.parametrize("section", ["kernels", "devices", "workloads"])
def test_a_matrix_of_nothing_is_refused(tmp_path: Path, section: str) -> None:
    sections = {
        "kernels": "[kernels]\na = 'b'\n",
        "devices": "[devices.a]\nspec = 'qemu:edu'\n",
        "workloads": "[workloads.a]\ncommand = 'true'\n",
    }
    read(tmp_path, "".join(sections.values()))
    sections[section] = ""
    with pytest.raises(UsageError, match=f"nothing in {section}"):
        read(tmp_path, "".join(sections.values()))


def test_a_file_that_is_not_there_or_no_text_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_matrix(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"\n# caf\xe9\n")
    with pytest.raises(UsageError, match=r"latin.toml:2: not UTF-8"):
        read_matrix(tmp_path / "latin.toml")
