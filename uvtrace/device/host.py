# SPDX-License-Identifier: Apache-2.0
"""A process that is a device: runs one model on one link.

``python -m uvtrace.device.host model:NAME[,option=value…] --memory FILE …`` is started by the
recorder (:mod:`uvtrace.device.process`), or by hand on ``/dev/uvbusN``.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from uvtrace.device.device import Device
from uvtrace.device.find import make, options_of, timeout_ns_of
from uvtrace.device.link import Home, Link, Taken
from uvtrace.device.linkabi import REASONS, LinkState
from uvtrace.device.machine import Machine, ModelError
from uvtrace.device.messages import Command, FrameArrived, Log, SendFrame, Unplug
from uvtrace.device.ports import FramePort, open_port
from uvtrace.device.translate import event_of, send
from uvtrace.errors import ExitCode, UsageError, UvtraceError

SPIN_S = 200e-6
"""How long an idle model looks for work before it sleeps; waking it costs 60 µs and more."""
_POLL_S = 0.02
_BATCH = 64

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How a model is run.

    Attributes:
        spin_s: look so long for messages before going to sleep.
        unplug: leave by surprise removal at the end, instead of just not answering any more.
        wait_s: for the module to appear; None: for ever.
        timeout_ns: completion timeout; None: what the model says, else the module's.
    """

    spin_s: float = SPIN_S
    unplug: bool = False
    wait_s: float | None = None
    timeout_ns: int | None = None


class Host:
    """Runs one model on one link.

    Args:
        device: the model.
        link: its link.
        port: its network link, where it has one.
    """

    def __init__(
        self,
        device: Device,
        link: Link,
        port: FramePort | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._machine = Machine(device)
        self._device = device
        self._link = link
        self._port = port
        self._settings = settings or Settings()
        self._stop_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopping = False
        self._machine.restrict(link.data_max)
        link.watch(self._stop_fd)
        if port is not None:
            link.watch(port.fileno())

    def stop(self) -> None:
        """End :meth:`run`; from a signal handler or another thread, too. Once is enough."""
        if not self._stopping:
            self._stopping = True
            os.eventfd_write(self._stop_fd, 1)

    def run(self) -> None:
        """Become a device and be one, until :meth:`stop`, or until the module has gone.

        Raises:
            ModelError: the model raised; the driver's next read finds a dead device.
            UvtraceError: the kernel has given this model up, and why.
        """
        try:
            if self._await_module():
                self._attach()
                self._serve()
        except ModelError as error:
            self._say_last_words(error)
            raise
        finally:
            self._stopping = True  # there is nothing left that stop() could write to
            os.close(self._stop_fd)

    def _await_module(self) -> bool:
        """Until the module looks at the link. False: told to stop before."""
        until = None if self._settings.wait_s is None else time.monotonic() + self._settings.wait_s
        while self._link.state in (LinkState.ABSENT, LinkState.CLOSED):
            if until is not None and time.monotonic() > until:
                raise UvtraceError("no uvbus.ko has taken the link up", hint="is it loaded?")
            self._link.wait(_POLL_S)
            if self._stopping:
                return False
        return True

    def _attach(self) -> None:
        limits = self._machine.allowed
        if self._settings.timeout_ns is not None:
            limits = replace(limits, timeout_ns=self._settings.timeout_ns)
        commands = self._machine.power_on(time.monotonic_ns())
        self._link.hello(self._device.config.images(), limits)
        self._carry_out(commands)

    def _serve(self) -> None:
        link, machine = self._link, self._machine
        while not self._stopping:
            for taken in link.take(_BATCH):
                self._handle(taken)
            if self._port is not None:
                for frame in self._port.receive():
                    self._carry_out(machine.receive(FrameArrived(frame), time.monotonic_ns()))
            self._carry_out(machine.advance(time.monotonic_ns()))
            if link.attached and link.state is not LinkState.ATTACHED:
                if self._ended():
                    return
            elif link.state is LinkState.DEAD and self._refused():
                return
            if not link.pending:
                link.wait(self._timeout(), self._settings.spin_s)
        self._leave()

    def _handle(self, taken: Taken) -> None:
        event = event_of(taken)
        if event is not None:
            self._carry_out(self._machine.receive(event, time.monotonic_ns()))

    def _carry_out(self, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, SendFrame):
                if self._port is not None:
                    self._port.send(command.frame)
            else:
                send(self._link, command)
        self._link.flush()

    def _timeout(self) -> float:
        deadline = self._machine.deadline_ns
        if deadline is None:
            return 1.0  # the state is looked at now and then, whatever signals say
        return min(1.0, max(0.0, (deadline - time.monotonic_ns()) / 1e9))

    def _ended(self) -> bool:
        """The link is no longer attached: the module has gone, or given the model up."""
        if self._link.state is LinkState.CLOSED:
            log.info("the module has gone")
            return True
        raise UvtraceError(f"the device is dead: {REASONS[self._link.reason]}")

    def _refused(self) -> bool:
        """Dead before this model was welcome: an earlier one's death, or our HELLO's refusal."""
        if self._link.refused:
            raise UvtraceError(f"the device was refused: {REASONS[self._link.reason]}")
        return False

    def _leave(self) -> None:
        if self._settings.unplug:
            self._carry_out([Unplug()])

    def _say_last_words(self, error: ModelError) -> None:
        self._carry_out([Log(f"model: {error}; it was handling {error.cause!r}")])


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="uvtrace.device.host", description=__doc__)
    parser.add_argument("spec", help="model:NAME_OR_PATH[,option=value…]; port=… is the host's")
    parser.add_argument("--memory", required=True, type=Path, help="link file, or /dev/uvbusN")
    parser.add_argument("--offset", type=int, default=0, help="of the link in the file")
    parser.add_argument("--wake-fd", type=int, help="eventfd that the kernel's end signals")
    parser.add_argument("--kick-fd", type=int, help="eventfd that signals the kernel's end")
    parser.add_argument("--number", type=int, default=0, help="of the device; for its network")
    parser.add_argument("--spin-us", type=float, default=SPIN_S * 1e6)
    parser.add_argument("--unplug", action="store_true", help="disappear from the bus at the end")
    return parser.parse_args(argv)


def _is_network_device(device: Device) -> bool:
    return type(device).on_frame is not Device.on_frame


def run(arguments: argparse.Namespace) -> None:
    """Run the model that the command line names, until it ends."""
    kind, _, rest = arguments.spec.partition(":")
    model, _, text = rest.partition(",")
    if kind != "model" or not model:
        raise UsageError("not a model", where=arguments.spec)
    options = options_of(text)
    port_text = options.pop("port", "user")
    settings = Settings(
        spin_s=arguments.spin_us / 1e6,
        unplug=arguments.unplug,
        timeout_ns=timeout_ns_of(options.pop("timeout_ms", None)),
    )
    device = make(model, options)
    home = Home(arguments.memory, arguments.offset, arguments.wake_fd, arguments.kick_fd)
    with ExitStack() as held:
        port = None
        if _is_network_device(device):
            port = open_port(port_text, arguments.number)
        if port is not None:
            held.enter_context(port)
        link = held.enter_context(Link(home))
        host = Host(device, link, port, settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: host.stop())
        host.run()


def main(argv: Sequence[str] | None = None) -> int:
    """The process: returns its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        run(_arguments(argv))
    except ModelError as error:
        sys.stderr.write(f"{error.report}\n{error}\n")
        return ExitCode.FAILED
    except UvtraceError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
