# SPDX-License-Identifier: Apache-2.0
"""What a trapped register access costs, beside the kernel's own mmiotrace in the same VM.

Needs QEMU and a kernel with headers. One VM; the same driver (kmod/tests/uvcost.c) times readl
and writel of the same register plain, under uvbus and under mmiotrace, in turn, several rounds;
the median counts. mmiotrace takes all CPUs but one offline; uvbus leaves them be.

    python -m benchmarks.mmio_cost --kernel 6.1.0-56-amd64 --rounds 5
"""

import argparse
import re
import shutil
import statistics
import sys
import time
from collections import defaultdict

from uvtrace.errors import UvtraceError
from uvtrace.record import build, machine
from uvtrace.record.kernels import Kernel, find
from uvtrace.record.machine import Machine, MachineSpec
from uvtrace.record.workspace import private_folder

TRACERS = ("plain", "uvbus", "mmiotrace")
TIMEOUT_S = 240
RING_BYTES = 64 << 20

_GUEST = """\
share=$1
PATH=$share:/usr/sbin:/usr/bin:/sbin:/bin
tracing=/sys/kernel/tracing
measure() { insmod "$share/uvcost.ko" tag=$1 count=$COUNT; rmmod uvcost; }
dmesg -n 1
insmod "$share/uvbus.ko" shared=1
uvctl ring $RING drop
uvctl select 0000:00:10.0
for round in $ROUNDS; do
    measure plain
    uvctl start; measure uvbus; uvctl stop
    echo mmiotrace >$tracing/current_tracer
    cat $tracing/trace_pipe >/dev/null & reader=$!
    measure mmiotrace
    kill $reader; wait $reader 2>/dev/null
    # refused while the pipe is open: then the next round would be measured under mmiotrace
    until echo nop >$tracing/current_tracer 2>/dev/null; do sleep 0.1; done
    until [ "$(grep -c ^processor /proc/cpuinfo)" = 2 ]; do sleep 0.1; done
done
dmesg >"$share/dmesg"
uvctl stats >"$share/stats"
: >"$share/done"
echo o >/proc/sysrq-trigger
"""

_COST = re.compile(r"cost (\w+) read_ns (\d+) write_ns (\d+) cpus (\d+)")


def run_vm(kernel: Kernel, *, rounds: int, count: int) -> tuple[str, str]:
    """The guest's kernel log and uvctl's statistics.

    Raises:
        UvtraceError: the VM did not come to its end in time.
    """
    with private_folder(2 * RING_BYTES) as folder:
        share = folder / "share"
        share.mkdir()
        shutil.copy(build.module_for(kernel), share)
        tests = build.source_directory() / "tests"
        shutil.copy(build.module_from(tests, "uvcost", kernel), share)
        shutil.copy(build.uvctl(), share / "uvctl")
        settings = f"COUNT={count}\nRING={RING_BYTES}\n"
        settings += f'ROUNDS="{" ".join(map(str, range(rounds)))}"\n'
        (share / "guest.sh").write_text(settings + _GUEST)
        device = "bochs-display,addr=0x10"
        spec = MachineSpec(kernel, folder, share, 2 * RING_BYTES, ["-device", device], ["bochs"])
        deadline = time.monotonic() + TIMEOUT_S
        with Machine(machine.prepare(spec), spec.log) as running:
            while not (share / "done").exists():
                if running.ended() or time.monotonic() > deadline:
                    said = spec.console.read_text(errors="replace")[-2000:]
                    raise UvtraceError("the VM did not finish", where=f"its console: {said}")
                time.sleep(0.2)
            return (share / "dmesg").read_text(), (share / "stats").read_text()


def main() -> int:
    """Print a table: a line per tracer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernel", help="an installed release; else the newest")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=20000, help="accesses of each kind a round")
    options = parser.parse_args()
    kernel = find(options.kernel)
    log, statistics_text = run_vm(kernel, rounds=options.rounds, count=options.count)

    samples: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for tag, *numbers in _COST.findall(log):
        read_ns, write_ns, cpus = map(int, numbers)
        samples[tag].append((read_ns, write_ns, cpus))
    print(f"kernel {kernel.release}, {options.rounds} rounds of {options.count} accesses each")
    print(f"{'tracer':<10} {'read ns':>9} {'write ns':>9} {'CPUs':>5} {'of mmiotrace':>16}")
    medians = {
        tag: [statistics.median(column) for column in zip(*samples[tag], strict=True)]
        for tag in TRACERS
    }
    for tag, (read_ns, write_ns, cpus) in medians.items():
        peer_read, peer_write, _ = medians["mmiotrace"]
        ratio = f"{read_ns / peer_read:.3f}, {write_ns / peer_write:.3f}"
        print(f"{tag:<10} {read_ns:>9.0f} {write_ns:>9.0f} {cpus:>5.0f} {ratio:>16}")
    print(f"of the last uvbus round: {' '.join(statistics_text.split())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
