# SPDX-License-Identifier: Apache-2.0
"""A link's rings under load, plain and under the sanitizers; and what a link must refuse.

``link_stress.c`` does the checking. The mutants at the end prove that it can fail.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kmod.compiler import HERE, KMOD, THREADS, build, builds, run

STRESS = HERE / "link_stress.c"
HEADERS = ("link.h", "ring.h")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The stress test's builds by their names."""
    return builds(STRESS, tmp_path_factory.mktemp("link"))


@pytest.mark.parametrize("build_name", ["gcc", "clang", "threads", "undefined"])
@pytest.mark.parametrize(("slots", "data"), [(64, 128), (256, 1024)])
def test_every_message_arrives_whole_once_in_order_and_wakes_who_sleeps(
    programs: Mapping[str, Path], build_name: str, slots: int, data: int
) -> None:
    done = run(programs[build_name], slots, data, 40000)
    assert done.returncode == 0, done.stderr.decode()
    counts = json.loads(done.stdout)
    assert counts["messages"] == 80000
    assert counts["sleeps"] > 0, "it did wait"
    assert counts["rings"] < counts["messages"], "not every message rings"


def test_a_hostile_model_never_leads_the_kernel_out_of_the_rings(
    programs: Mapping[str, Path],
) -> None:
    for build_name in ("undefined", "gcc"):
        done = run(programs[build_name], 64, 4096, 200000, "hostile")
        assert done.returncode == 0, done.stderr.decode()
        counts = json.loads(done.stdout)
        assert counts["put"] > 0
        assert counts["taken"] > 0


class Mutant(NamedTuple):
    """One line made wrong."""

    right: str
    wrong: str


MUTANTS = {
    "head published without a barrier": Mutant(
        "uv_store_full(&sender->mine->head, sender->head);",
        "uv_store(&sender->mine->head, sender->head);",
    ),
    "head read without acquire": Mutant(
        "uv_load_acquire(&taker->other->head);\n\n\t\tif",
        "uv_load(&taker->other->head);\n\n\t\tif",
    ),
    "tail freed without a barrier": Mutant(
        "uv_store_full(&taker->mine->tail, taker->tail);\n\treturn uv_link_passed",
        "uv_store(&taker->mine->tail, taker->tail);\n\treturn uv_link_passed",
    ),
    "one slot too many": Mutant("return sender->count - used;", "return sender->count - used + 1;"),
    "no second look before sleeping": Mutant(
        "return uv_load_full(&taker->other->head) != taker->tail;", "return false;"
    ),
    "no second look for room": Mutant(
        "return uv_load_full(&sender->other->tail) != sender->tail;", "return false;"
    ),
    "notified one message too late": Mutant(
        "return now - wish - 1 < now - before;", "return now - wish - 1 < now - before - 1;"
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_link_is_caught(tmp_path: Path, name: str) -> None:
    mutant = MUTANTS[name]
    shutil.copytree(KMOD / "include", tmp_path / "include")
    for header in HEADERS:
        shutil.copy(KMOD / header, tmp_path)
    text = (tmp_path / "link.h").read_text()
    assert text.count(mutant.right) == 1
    (tmp_path / "link.h").write_text(text.replace(mutant.right, mutant.wrong))

    stress = tmp_path / "link_stress.c"
    # a lost notification shows after seconds, too
    stress.write_text(STRESS.read_text().replace("WATCHDOG_S\t40", "WATCHDOG_S\t3"))
    program = build([stress], tmp_path / "mutant", flags=THREADS, include=tmp_path)
    for _attempt in range(8):  # an interleaving is a matter of luck
        if run(program, 64, 128, 40000).returncode != 0:
            return
    pytest.fail(f"{name}: not caught")
