# SPDX-License-Identifier: Apache-2.0
"""The ring's algorithm under many producers, plain and under ThreadSanitizer.

``ring_stress.c`` does the checking. The mutants at the end prove that it can fail: each is the
ring with one line made wrong, and must be caught.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kmod.compiler import HERE, KMOD, THREADS, build, builds, run

STRESS = HERE / "ring_stress.c"
DROP, STOP, OVERWRITE = 0, 1, 2


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The stress test's builds by their names."""
    return builds(STRESS, tmp_path_factory.mktemp("ring"))


def stress(
    program: Path,
    policy: int,
    slots: int,
    records: int,
    payload_max: int,
    *,
    mode: str = "",
    producers: int = 8,
) -> dict[str, int]:
    done = run(program, policy, slots, producers, records, payload_max, mode)
    assert done.returncode == 0, done.stderr.decode()
    counts: dict[str, int] = json.loads(done.stdout)
    assert counts["accepted"] + counts["lost"] == counts["produced"] >= producers * records
    return counts


@pytest.mark.parametrize("build_name", ["gcc", "clang", "threads"])
@pytest.mark.parametrize("slots", [16, 64, 4096])
def test_a_full_ring_drops_and_tells_exactly_how_many(
    programs: Mapping[str, Path], build_name: str, slots: int
) -> None:
    counts = stress(programs[build_name], DROP, slots, 15000, 500)
    assert counts["positions"] > 4 * slots  # it did wrap around
    assert counts["lost"] > 0
    assert counts["read"] == counts["accepted"]
    assert counts["told"] == counts["lost"] + counts["missed"]


@pytest.mark.parametrize("build_name", ["gcc", "clang", "threads"])
def test_nothing_is_lost_while_there_is_room(programs: Mapping[str, Path], build_name: str) -> None:
    counts = stress(programs[build_name], DROP, 1 << 17, 4000, 200)
    assert counts["lost"] == 0
    assert counts["read"] == counts["produced"]
    assert counts["told"] == counts["missed"] > 0


@pytest.mark.parametrize("build_name", ["gcc", "threads"])
def test_the_stop_policy_keeps_the_oldest_and_stops(
    programs: Mapping[str, Path], build_name: str
) -> None:
    counts = stress(programs[build_name], STOP, 256, 10000, 300)
    assert counts["state"] == 3
    assert counts["read"] == counts["accepted"] > 0


@pytest.mark.parametrize("build_name", ["gcc", "clang", "threads"])
@pytest.mark.parametrize("slots", [16, 64, 4096])
def test_a_flight_recorder_holds_only_whole_records_and_the_newest(
    programs: Mapping[str, Path], build_name: str, slots: int
) -> None:
    counts = stress(programs[build_name], OVERWRITE, slots, 15000, 400)
    assert counts["positions"] > 4 * slots
    # A record has at most 5 slots here, so that a ring without holes holds this many.
    assert counts["read"] >= (slots - counts["damaged"]) // 5 - 3


@pytest.mark.parametrize("policy", [DROP, STOP, OVERWRITE])
@pytest.mark.parametrize("build_name", ["gcc", "undefined"])
def test_a_hostile_reader_costs_records_but_never_memory(
    programs: Mapping[str, Path], build_name: str, policy: int
) -> None:
    counts = stress(programs[build_name], policy, 64, 8000, 900, mode="hostile")
    assert counts["accepted"] > 0


@pytest.mark.parametrize("policy", [DROP, OVERWRITE])
def test_a_producer_may_be_interrupted_by_another_in_mid_write(
    programs: Mapping[str, Path], policy: int
) -> None:
    counts = stress(programs["gcc"], policy, 256, 40000, 400, mode="nested", producers=4)
    assert counts["nested"] > 0


@pytest.mark.parametrize("policy", [DROP, OVERWRITE])
@pytest.mark.parametrize("slots", [64, 4096])
def test_a_machine_that_dies_in_mid_write_leaves_only_whole_records(
    programs: Mapping[str, Path], policy: int, slots: int
) -> None:
    producers, slots_of_one = 8, 1 + 400 // 112 + 1
    for _ in range(8):
        done = run(programs["gcc"], policy, slots, producers, 20_000_000, 400, "killed")
        assert done.returncode == 0, done.stderr.decode()
        left = json.loads(done.stdout)
        assert left["read"] > 0
        assert 0 <= left["untold"] <= left["lost"]
        if policy == OVERWRITE:  # the oldest, cut; and what was being written, or given up
            assert left["position"] > slots
            most = slots_of_one * (1 + producers + left["lost"])
            assert left["damaged"] <= most


def test_payloads_longer_than_a_quarter_of_the_ring_are_cut(programs: Mapping[str, Path]) -> None:
    counts = stress(programs["gcc"], DROP, 64, 2000, 4096)
    assert counts["largest"] == 64 // 4 * 112


class Mutant(NamedTuple):
    """One line made wrong, and the run in which it must be caught."""

    file: str
    right: str
    wrong: str
    policy: int
    slots: int


MUTANTS = {
    "commit without release": Mutant(
        "ring.h", "uv_store_release(&uv_ring_slot", "uv_store(&uv_ring_slot", DROP, 64
    ),
    "seq read without acquire": Mutant(
        "ring_reader.h",
        "uv_load_acquire(&slot->record.seq)",
        "uv_load(&slot->record.seq)",
        DROP,
        64,
    ),
    "tail read without acquire": Mutant(
        "ring.h", "uv_load_acquire(&ring->header->tail)", "uv_load(&ring->header->tail)", DROP, 64
    ),
    "tail published without release": Mutant(
        "ring_reader.h",
        "uv_store_release(&reader->header->tail",
        "uv_store(&reader->header->tail",
        DROP,
        64,
    ),
    "cached tail read without acquire": Mutant(
        "ring.h", "uv_load_acquire(&ring->tail_seen)", "uv_load(&ring->tail_seen)", DROP, 256
    ),
    "one slot too many": Mutant(
        "ring.h", "slots <= ring->mask + 1 - used", "slots <= ring->mask + 2 - used", DROP, 64
    ),
    "loss told twice": Mutant(
        "ring.h",
        "uv_exchange(&ring->pending[which], 0)",
        "uv_load(&ring->pending[which])",
        DROP,
        64,
    ),
    "loss not counted": Mutant(
        "ring.h", "uv_ring_count_lost(ring, UV_PENDING_RING, 1);", "", DROP, 64
    ),
    "header slot published first": Mutant(
        "ring.h",
        "__u64 next;\n\n\tfor (next",
        "__u64 next;\n\n\tuv_ring_fill(ring, position, record);\n"
        "\tuv_ring_slot(ring, position)->record.payload = length;\n"
        "\tuv_ring_commit(ring, position);\n\tfor (next",
        DROP,
        64,
    ),
    "slot taken from a slow producer": Mutant(
        "ring.h",
        "return seq <= position && uv_cas(&slot->record.seq, &seq, UV_RING_BUSY | (position + 1));",
        "(void)seq;\n\treturn true;",
        OVERWRITE,
        16,
    ),
    "claim without acquire": Mutant(
        "ring.h", "false, __ATOMIC_ACQUIRE", "false, __ATOMIC_RELAXED", OVERWRITE, 16
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_ring_is_caught(tmp_path: Path, name: str) -> None:
    mutant = MUTANTS[name]
    shutil.copytree(KMOD / "include", tmp_path / "include")
    for header in ("ring.h", "ring_reader.h"):
        shutil.copy(KMOD / header, tmp_path)
    text = (tmp_path / mutant.file).read_text()
    assert text.count(mutant.right) == 1
    (tmp_path / mutant.file).write_text(text.replace(mutant.right, mutant.wrong))

    program = build([STRESS], tmp_path / "mutant", flags=THREADS, include=tmp_path)
    for _attempt in range(5):  # an interleaving is a matter of luck
        done = run(program, mutant.policy, mutant.slots, 8, 10000, 500)
        if done.returncode != 0:
            return
    pytest.fail(f"{name}: not caught")
