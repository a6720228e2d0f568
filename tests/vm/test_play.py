# SPDX-License-Identifier: Apache-2.0
"""The recorded device of one kernel's run plays for the stock driver of another kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vm.conftest import complete_kernels, record

pytestmark = pytest.mark.vm

TRACES = Path(__file__).resolve().parents[2] / "traces"
NEWEST = complete_kernels()[:1]
LISTEN = """
import os, socket, time
packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
packets.bind((os.environ["UVTRACE_INTERFACE"], 0))
packets.settimeout(1)
print("listening", flush=True)
end = time.monotonic() + 20
while time.monotonic() < end:
    try:
        frame, source = packets.recvfrom(2048)
    except OSError:  # nothing came, or the link is not up yet
        continue
    if source[2] != socket.PACKET_OUTGOING:
        print("received", frame.hex(), flush=True)
"""
COMMAND = (
    "sh",
    "-c",
    f"python3 -c '{LISTEN}' & sleep 5; ping -c 8 -i 0.5 -W 1 10.0.2.2; wait",
)
MAC = "525400123456"


@pytest.mark.parametrize("release", NEWEST)
@pytest.mark.parametrize("played", ["memory-e1000-6.1", "model-e1000-6.1"])
def test_a_recorded_network_card_carries_frames_to_another_kernel_s_driver(
    played: str, release: str, tmp_path: Path
) -> None:
    device = f"trace:{TRACES / played}.pcapng.zst"
    recorded = record(tmp_path / "run.pcapng", device, *COMMAND, options=["--kernel", release])
    assert recorded.code == 0, recorded.stderr
    frames = [line for line in recorded.stdout.splitlines() if line.startswith("received ")]
    assert any(frame.removeprefix("received ").startswith(MAC) for frame in frames), (
        recorded.stdout + recorded.stderr
    )
    assert "the driver kept to the recording" in recorded.stderr
