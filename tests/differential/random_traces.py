# SPDX-License-Identifier: Apache-2.0
"""Random traces: what a driver and its device might do, with something gone wrong here and there.

A seed gives a trace. Each function is probed, works, and is unbound again; what it does are *acts*
(a frame is received, the device is reset, …), some of which overlap in time. Then events are
dropped, repeated, moved and altered.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from random import Random

from tests.differential.acts import acts_of
from tests.differential.life_acts import goes, opening, probed
from tests.differential.random_device import Act, Device
from tests.differential.random_script import Script, Step, disturb, merged, tell
from uvtrace.trace.trace import Trace, open_bytes
from uvtrace.trace.writer import PcapngWriter

PARAMETERS: Mapping[str, int] = {
    "CPL001.timeout_ns": 60_000,
    "CPL005.timeout_ns": 20_000,
    "DMA022.alignment": 4,
    "DMA026.unmaps": 2,
    "DMA026.spans": 2,
    "DMA026.span_ns": 3_000,
    "DMA026.floor": 2,
    "IRQ007.runs": 3,
    "IRQ007.span_ns": 50_000,
    "IRQ009.runs": 2,
    "PWR002.delay_ns": 30_000,
    "PWR007.reads": 2,
    "PWR008.reads": 3,
    "TRC002.tolerance_ns": 5_000,
}
"""Limits that are low enough for short traces."""
_DAMAGED_BYTES = 40


def random_trace(seed: int) -> Trace:
    """The trace of a seed."""
    rng = Random(seed)
    devices = [Device.random(rng, number) for number in range(rng.choice((1, 1, 1, 2)))]
    scripts = [_life_of(rng, device) for device in devices]
    steps = merged(rng, scripts) if rng.random() < 0.8 else [s for each in scripts for s in each]
    for _ in range(rng.choice((0, 1, 1, 2, 3, 6))):
        disturb(rng, steps)
    story = tell(steps, {device.name: device.bars for device in devices})
    records, payloads = story.records()
    if rng.random() < 0.03 and len(records) > 3:
        at = rng.randrange(1, len(records))
        records["seq"][at:] += rng.choice((1, 3))
    if rng.random() < 0.03:
        at = rng.randrange(len(records))
        records[rng.choice(("version", "kind"))][at] = rng.choice((2, 200))
    if rng.random() < 0.03:
        records["seq"][rng.randrange(1, len(records)) :] -= 1
    functions = [(device.name, "test") for device in devices]
    file = BytesIO()
    with PcapngWriter(file, functions=functions) as writer:
        writer.write(records, payloads)
    data = file.getvalue()
    if rng.random() < 0.02:
        data = data[:-_DAMAGED_BYTES]
    return open_bytes(data, f"seed {seed}")


def _life_of(rng: Random, device: Device) -> list[Step]:
    """What one function goes through."""
    told = _noted(device, opening)
    if rng.random() < 0.93:
        told += _noted(device, probed)
    acts = acts_of(rng, rng.randint(3, 8))
    noted = [_noted(device, act) for act in acts]
    while noted:
        together = [noted.pop() for _ in range(min(rng.choice((1, 1, 2, 3)), len(noted)))]
        told += merged(rng, together)
    if rng.random() < 0.85:
        told += _noted(device, goes)
        if rng.random() < 0.15:
            told += _noted(device, probed) + _noted(device, goes)
    return told


def _noted(device: Device, act: Act) -> list[Step]:
    script = Script(device.name, device.bars, device.tags)
    act(device, script)
    device.tags = script.new_tag()
    return script.steps
