# SPDX-License-Identifier: Apache-2.0
"""How fast a model outside the VM answers its driver, beside a device that QEMU emulates.

Needs QEMU and a kernel with headers. One VM with four devices; the same driver
(kmod/tests/uvspeed.c) is bound to each in turn, several rounds, and times

- the round trip of a register read (non-posted: the CPU waits for the model's completion);
- register writes (posted) in batches of 1 to 1024, each ended by a read that waits until all
  have arrived: what one message costs one way, the more of them go at once.

The devices: QEMU's ``edu`` (no link: the floor); ``kmod/tools/uvlink.c``, a model in C, looking
all the time; a Python model (``regs_msi``), looking all the time; and the C model that sleeps
until a doorbell wakes it. Median of the rounds; what counts is the ratio to the floor in the
same run: without KVM all of the guest is slow, and models share the CPUs with it.

    python -m benchmarks.link_speed --kernel 6.1.0-56-amd64 --rounds 3
"""

import argparse
import re
import statistics
import sys
from collections import defaultdict

from tests.vm.linked import Guest, guest
from uvtrace.device.link import Home
from uvtrace.device.process import ModelProcess
from uvtrace.errors import UvtraceError

EDU = ("-device", "edu,addr=0x10")
SPIN_US = 100_000
DEVICES = {
    "0000:00:10.0": "QEMU's edu",
    "10000:00:00.0": "C, looking",
    "10000:00:01.0": "Python, looking",
    "10000:00:02.0": "C, doorbell",
}
BATCHES = tuple(4**power for power in range(6))

GUEST = """
dmesg -n 1
insmod $share/uvbus.ko virtual=1 links=0
for device in DEVICES; do until_file /sys/bus/pci/devices/$device; done
for round in ROUNDS; do
	insmod $share/uvspeed.ko reads=READS writes=WRITES && rmmod uvspeed
done
dmesg | grep -o 'uvspeed .* speed .*'
rmmod uvbus
"""

_READ = re.compile(r"uvspeed (\S+): speed read (\d+) ones (\d+)")
_BATCH = re.compile(r"uvspeed (\S+): speed batch (\d+) (\d+) ones (\d+)")


def start_models(machine: Guest) -> ModelProcess:
    """Three models; the Python one is returned, as a context that ends it."""
    machine.model(options=["--spin", str(SPIN_US)], link=0)
    machine.model(options=["--spin", "0"], link=2)
    files = machine.server.links[1]
    home = Home(files.path, files.offset, files.wake_fd, files.kick_fd)
    return ModelProcess("model:regs_msi", home, machine.share, spin_us=SPIN_US)


def measure(release: str | None, rounds: int, reads: int, writes: int) -> str:
    """What the guest's kernel has said.

    Raises:
        UvtraceError: a read was not answered.
    """
    script = GUEST.replace("DEVICES", " ".join(DEVICES)).replace("READS", str(reads))
    script = script.replace("WRITES", str(writes))
    script = script.replace("ROUNDS", " ".join(map(str, range(rounds))))
    with (
        guest(script, release, links=3, driver="uvspeed", devices=EDU) as machine,
        start_models(machine),
    ):
        machine.finish(timeout_s=240)
        said = machine.said
    for *_, ones in _READ.findall(said) + _BATCH.findall(said):
        if int(ones):
            raise UvtraceError("a model did not answer", where=said)
    return said


def table(said: str) -> list[str]:
    """Lines: a device each, then its ratios to the first."""
    columns: dict[str, dict[str, list[int]]] = {name: defaultdict(list) for name in DEVICES}
    for name, read_ns, _ in _READ.findall(said):
        columns[name]["read"].append(int(read_ns))
    for name, batch, write_ns, _ in _BATCH.findall(said):
        columns[name][batch].append(int(write_ns))
    heads = ["read", *map(str, BATCHES)]
    lines = [f"{'us':<16} {'read':>9} " + " ".join(f"{'/' + head:>9}" for head in heads[1:])]
    floor = {head: statistics.median(columns["0000:00:10.0"][head]) for head in heads}
    for name, device in DEVICES.items():
        medians = {head: statistics.median(columns[name][head]) for head in heads}
        lines.append(f"{device:<16} " + " ".join(f"{medians[h] / 1000:>9.1f}" for h in heads))
        lines.append(
            f"{'  x edu':<16} " + " ".join(f"{medians[h] / floor[h]:>9.2f}" for h in heads)
        )
        lines.append(f"{'  messages/s':<16} {'':>9} " + _rates(medians))
    return lines


def _rates(medians: dict[str, float]) -> str:
    """Writes a second, the reads that end the batches not counted."""
    return " ".join(f"{1e9 / medians[str(batch)]:>9.0f}" for batch in BATCHES)


def main() -> int:
    """Print a table: microseconds of a read, and of a write in batches of each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", help="an installed release; else the newest")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reads", type=int, default=1000, help="a round")
    parser.add_argument("--writes", type=int, default=2048, help="a round and size of batch")
    options = parser.parse_args()
    said = measure(options.kernel, options.rounds, options.reads, options.writes)
    print(f"{options.rounds} rounds of {options.reads} reads, {options.writes} writes a batch size")
    print("\n".join(table(said)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
