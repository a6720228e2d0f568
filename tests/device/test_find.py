# SPDX-License-Identifier: Apache-2.0
"""Models by name and by path, and their options."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from tests.device.tiny import Tiny
from uvtrace import packs
from uvtrace.device import Device, Playbook
from uvtrace.device.find import find, make, options_of
from uvtrace.errors import EnvironmentLacksError, InputError, UsageError

HEAD = """
from pathlib import Path
from uvtrace.device import ConfigSpace, Device
CONFIG = ConfigSpace(vendor=1, device=2, class_code=0)
"""
MODEL = """
class Mine(Device):
    config = CONFIG
    registers = "mine.rdl"
    def __init__(self, count: int = 1, fast: bool = False, mac: bytes | None = None,
                 rate: float = 1.0, name: str = "", file: Path = Path()):
        self.options = (count, fast, mac, rate, name, file)
"""
RDL = """
addrmap mine { reg { regwidth = 32; field { sw = rw; hw = r; } v[31:0] = 7; } R @ 0; };
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(HEAD + MODEL)
    (tmp_path / "mine.rdl").write_text(RDL)
    return tmp_path / "mine.py"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        EntryPoint("tiny", "tests.device.tiny:Tiny", "uvtrace.models"),
        EntryPoint("broken", "tests.device.nowhere:Tiny", "uvtrace.models"),
    ]
    monkeypatch.setattr(packs, "installed", lambda: EntryPoints(entries))


@pytest.mark.usefixtures("installed")
def test_an_installed_model_is_found_by_its_name() -> None:
    assert find("tiny") is Tiny


@pytest.mark.usefixtures("installed")
def test_a_name_that_nobody_has_tells_who_is_there() -> None:
    with pytest.raises(UsageError, match=r"no such model .installed are broken, tiny"):
        find("tyni")


@pytest.mark.usefixtures("installed")
def test_a_model_that_cannot_be_imported_says_so() -> None:
    with pytest.raises(EnvironmentLacksError, match="broken"):
        find("broken")


def test_a_file_s_model_has_its_registers_beside_it(model: Path) -> None:
    assert Playbook(make(str(model))).read("R") == 7


def test_a_folder_stands_for_its_model_py(model: Path) -> None:
    model.rename(model.parent / "model.py")
    assert Playbook(make(f"{model.parent}/")).read("R") == 7


def test_options_become_what_the_model_says_they_are(model: Path) -> None:
    text = "count=0x10,fast=yes,mac=52:54:00:00:00:01,rate=2.5,name=a b,file=/tmp/x"
    device = make(str(model), options_of(text))
    mac = b"\x52\x54\0\0\0\x01"
    assert vars(device)["options"] == (16, True, mac, 2.5, "a b", Path("/tmp/x"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("speed=1", "has no option speed .it has count, fast, mac, rate, name, file"),
        ("count=many", "count=many: invalid literal"),
        ("fast=perhaps", "fast=perhaps: is neither yes nor no"),
        ("mac=52:5", "mac=52:5: "),
    ],
)
def test_an_option_that_cannot_be_is_one_line(model: Path, options: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        make(str(model), options_of(options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["alone", "=1", "a=1,a=2"])
def test_what_is_no_option_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        options_of(text)


def test_a_value_that_the_model_itself_refuses_is_one_line(tmp_path: Path) -> None:
    picky = HEAD + "class Picky(Device):\n    config = CONFIG\n    def __init__(self, n: int):\n"
    (tmp_path / "picky.py").write_text(picky + "        raise ValueError('too many')\n")
    with pytest.raises(UsageError, match="too many"):
        make(str(tmp_path / "picky.py"), {"n": "1"})
    with pytest.raises(UsageError, match="missing 1 required positional argument: 'n'"):
        make(str(tmp_path / "picky.py"))


def test_a_file_without_a_model_or_with_several_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.py").write_text(HEAD)
    with pytest.raises(UsageError, match="no model"):
        find(str(tmp_path / "none.py"))
    two = "class {}(Device):\n    config = CONFIG\n"
    (tmp_path / "two.py").write_text(HEAD + two.format("A") + two.format("B"))
    with pytest.raises(UsageError, match="several models: A, B"):
        find(str(tmp_path / "two.py"))


def test_of_a_class_and_one_derived_from_it_the_latter_is_the_model(model: Path) -> None:
    model.write_text(model.read_text() + "class Better(Mine):\n    pass\n")
    found = find(str(model))
    assert issubclass(found, Device)
    assert found.__name__ == "Better"
    assert Playbook(found()).read("R") == 7


def test_a_file_that_cannot_be_run_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("x = 1\ny = x / 0\n")
    with pytest.raises(InputError, match=r"bad.py:2: .*ZeroDivisionError"):
        find(str(tmp_path / "bad.py"))
