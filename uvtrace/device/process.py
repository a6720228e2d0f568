# SPDX-License-Identifier: Apache-2.0
"""A model's process, as the recorder sees it: started, watched, killed, started again."""

from __future__ import annotations

import contextlib
import logging
import signal
import subprocess
import sys
from pathlib import Path

from uvtrace.device.link import Home
from uvtrace.device.linkabi import Header, LinkState

log = logging.getLogger(__name__)

STOP_S = 5.0
"""How long a model may take to end when it is asked to."""
_REPORT_MAX = 64 * 1024


class ModelProcess:
    """Runs one model on one link, in a process of its own. A context: it has ended after it.

    Args:
        spec: ``model:NAME_OR_PATH[,option=value…]``; ``port=…`` says where its network leads.
        home: the link.
        folder: private to this run; gets what the process says (``modelN.log``).
        number: of the device in its recording.
        spin_us: how long the idle model looks for work before it sleeps; None: the host's choice.
        unplug: it leaves by surprise removal.
    """

    def __init__(
        self,
        spec: str,
        home: Home,
        folder: Path,
        *,
        number: int = 0,
        spin_us: float | None = None,
        unplug: bool = False,
    ) -> None:
        self.spec = spec
        self._home = home
        self._number = number
        self._spin_us = spin_us
        self._unplug = unplug
        self._log_path = folder / f"model{number}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def start(self) -> None:
        """Start it; it attaches as soon as the module is there."""
        with open(self._log_path, "ab") as output:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[fd for fd in (self._home.wake_fd, self._home.kick_fd) if fd is not None],
                # Ctrl-C is the recorder's: the model must live until the driver is unbound.
                start_new_session=True,
            )
        self._stopped = False

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "uvtrace.device.host", self.spec]
        command += ["--memory", str(self._home.path), "--offset", str(self._home.offset)]
        command += ["--number", str(self._number)]
        if self._home.kick_fd is not None:
            command += ["--wake-fd", str(self._home.wake_fd), "--kick-fd", str(self._home.kick_fd)]
        if self._spin_us is not None:
            command += ["--spin-us", str(self._spin_us)]
        return command + (["--unplug"] if self._unplug else [])

    @property
    def pid(self) -> int | None:
        """Of the process, while it is there."""
        return self._process.pid if self._process is not None else None

    @property
    def alive(self) -> bool:
        """It runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def attached(self) -> bool:
        """It runs, and the module has accepted it."""
        return self.alive and self.link_state is LinkState.ATTACHED

    @property
    def link_state(self) -> LinkState:
        """What the module says of the link; of a local home only its process knows."""
        if self._home.local:
            return LinkState.ATTACHED if self.alive else LinkState.WAITING
        with open(self._home.path, "rb") as memory:
            memory.seek(self._home.offset + Header.STATE)
            return LinkState(int.from_bytes(memory.read(4), "little"))

    @property
    def failed(self) -> bool:
        """It has ended by itself, and not well."""
        if self._stopped or self._process is None:
            return False
        return (self._process.poll() or 0) != 0

    @property
    def report(self) -> str:
        """What it has said: warnings, and, where it raised, the traceback and the transaction."""
        with contextlib.suppress(FileNotFoundError):
            return self._log_path.read_bytes()[-_REPORT_MAX:].decode(errors="replace").strip()
        return ""

    @property
    def error(self) -> str | None:
        """Why it has ended, in one line; None while it has not failed."""
        if not self.failed or self._process is None:
            return None
        code = self._process.returncode
        if code < 0:
            return f"{self.spec}: ended by {signal.Signals(-code).name}"
        last = self.report.splitlines()[-1:]
        return f"{self.spec}: {last[0] if last else f'ended with exit code {code}'}"

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal: STOP and CONT make it slow."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, in mid-work: the driver finds a device that does not answer."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Ask it to end, and see to it that it does."""
        if self._process is None:
            return
        if self.alive:
            self._stopped = True
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            log.warning("%s did not end when asked to", self.spec)
            self.kill()

    def restart(self) -> None:
        """End it if it still runs, and start it anew: it attaches again."""
        self.stop()
        self.start()

    def __enter__(self) -> ModelProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
