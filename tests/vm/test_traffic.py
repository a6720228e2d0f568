# SPDX-License-Identifier: Apache-2.0
"""Programs that know nothing of it talk through network cards that exist in Python only."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from tests.vm.hostside import SSHD, md5, ssh_server, web_server
from uvtrace.testing import Recorder, Run, Verdicts

pytestmark = pytest.mark.vm

NICS = ["e1000", "uvnic1"]
SMALL, LARGE = 256 << 10, 10 << 20
THREE_MINUTES_S = 180.0
DOWNLOAD = "busybox wget -q -O - http://10.0.2.2:{port}/file | tee /tmp/file | md5sum"
UPLOAD = "busybox wget -q -O /dev/null --post-file /tmp/file http://10.0.2.2:{port}/"


def transfer(nic: str, size: int, folder: Path) -> tuple[Run, float]:
    """A file to the guest, and from there back; the way there took so many seconds."""
    # Text: busybox's wget posts no byte behind a NUL.
    content = random.Random(size).randbytes(size // 2).hex().encode()
    (folder / "file").write_bytes(content)
    record = Recorder(folder)
    with web_server(folder) as server:
        there, back = DOWNLOAD.format(port=server.port), UPLOAD.format(port=server.port)
        clock = "cut -d' ' -f1 /proc/uptime"
        command = f"{clock}; {there}; {clock}; {back}"
        run = record(f"model:{nic}", command, timeout_s=2 * THREE_MINUTES_S)
    begin, digest, _, end = run.output.split()
    assert digest == md5(content), "what the guest has got"
    assert [md5(posted) for posted in server.posted] == [digest], "what has come back"
    return run, float(end) - float(begin)


@pytest.mark.parametrize("nic", NICS)
def test_a_file_arrives_as_it_was_sent_and_comes_back_as_it_arrived(
    nic: str, tmp_path: Path
) -> None:
    run, _ = transfer(nic, SMALL, tmp_path)
    Verdicts(run).clean()


@pytest.mark.long
@pytest.mark.parametrize("nic", NICS)
def test_ten_megabytes_arrive_within_three_minutes(nic: str, tmp_path: Path) -> None:
    run, seconds = transfer(nic, LARGE, tmp_path)
    assert seconds < THREE_MINUTES_S
    Verdicts(run).clean()


@pytest.mark.long
@pytest.mark.skipif(SSHD is None, reason="no sshd (package openssh-server)")
@pytest.mark.parametrize("nic", NICS)
def test_a_shell_on_this_machine_answers_the_guest(nic: str, tmp_path: Path) -> None:
    with ssh_server(tmp_path) as definition:
        command = f"{definition}\nseq 100000 | log_in 'echo through {nic}; md5sum; seq 50000'"
        run = Recorder(tmp_path)(f"model:{nic}", command, timeout_s=THREE_MINUTES_S)
    first, digest, *numbers = run.output.splitlines()
    assert first == f"through {nic}"
    assert digest.split()[0] == md5("".join(f"{n}\n" for n in range(1, 100_001)).encode())
    assert numbers == [str(number) for number in range(1, 50_001)]
    Verdicts(run).clean()


@pytest.mark.long
@pytest.mark.parametrize("nic", NICS)
def test_a_flood_of_pings_and_a_traceroute_find_the_host(nic: str, tmp_path: Path) -> None:
    command = "ping -f -q -c 1000 10.0.2.2; busybox traceroute -n -m 1 10.0.2.2"
    run = Recorder(tmp_path)(f"model:{nic}", command, timeout_s=THREE_MINUTES_S)
    assert "1000 packets transmitted, 1000 received" in run.output
    assert re.search(r"^ *1  10\.0\.2\.2  [\d.]+ ms", run.output, re.M), run.output
    Verdicts(run).clean()
