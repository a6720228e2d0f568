# SPDX-License-Identifier: Apache-2.0
"""libslirp through ctypes: a network in user space, as QEMU's ``-netdev user`` has it.

The structures are those of libslirp's public header, ``libslirp.h`` (version 4), as far as
version 1 of the configuration goes, which every later library accepts.
"""

from __future__ import annotations

import ctypes
import select
import socket
import time
from collections.abc import Callable
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_bool,
    c_char_p,
    c_int,
    c_int64,
    c_size_t,
    c_ssize_t,
    c_ubyte,
    c_uint32,
    c_void_p,
)
from typing import Any, ClassVar, Final

from uvtrace.errors import EnvironmentLacksError

LIBRARY: Final = "libslirp.so.0"
_POLL_IN, _POLL_OUT, _POLL_PRI, _POLL_ERR, _POLL_HUP = 1, 2, 4, 8, 16
_EVENTS: Final = (
    (_POLL_IN, select.POLLIN),
    (_POLL_OUT, select.POLLOUT),
    (_POLL_PRI, select.POLLPRI),
    (_POLL_ERR, select.POLLERR),
    (_POLL_HUP, select.POLLHUP),
)
_NS_PER_MS = 1_000_000

_TimerCall = CFUNCTYPE(None, c_void_p)
_SendPacket = CFUNCTYPE(c_ssize_t, POINTER(c_ubyte), c_size_t, c_void_p)
_GuestError = CFUNCTYPE(None, c_char_p, c_void_p)
_ClockGet = CFUNCTYPE(c_int64, c_void_p)
_TimerNew = CFUNCTYPE(c_void_p, _TimerCall, c_void_p, c_void_p)
_TimerFree = CFUNCTYPE(None, c_void_p, c_void_p)
_TimerSet = CFUNCTYPE(None, c_void_p, c_int64, c_void_p)
_PollFd = CFUNCTYPE(None, c_int, c_void_p)
_Notify = CFUNCTYPE(None, c_void_p)
_AddPoll = CFUNCTYPE(c_int, c_int, c_int, c_void_p)
_GetEvents = CFUNCTYPE(c_int, c_int, c_void_p)


class _Config(Structure):
    _fields_: ClassVar = [
        ("version", c_uint32),
        ("restricted", c_int),
        ("in_enabled", c_bool),
        ("network", c_uint32),
        ("netmask", c_uint32),
        ("host", c_uint32),
        ("in6_enabled", c_bool),
        ("prefix6", c_uint32 * 4),
        ("prefix6_length", c_ubyte),
        ("host6", c_uint32 * 4),
        ("hostname", c_char_p),
        ("tftp_server", c_char_p),
        ("tftp_path", c_char_p),
        ("bootfile", c_char_p),
        ("dhcp_start", c_uint32),
        ("nameserver", c_uint32),
        ("nameserver6", c_uint32 * 4),
        ("dns_search", c_void_p),
        ("domain", c_char_p),
        ("mtu", c_size_t),
        ("mru", c_size_t),
        ("disable_host_loopback", c_bool),
        ("enable_emu", c_bool),
    ]


class _Calls(Structure):
    _fields_: ClassVar = [
        ("send_packet", _SendPacket),
        ("guest_error", _GuestError),
        ("clock_get_ns", _ClockGet),
        ("timer_new", _TimerNew),
        ("timer_free", _TimerFree),
        ("timer_mod", _TimerSet),
        ("register_poll_fd", _PollFd),
        ("unregister_poll_fd", _PollFd),
        ("notify", _Notify),
    ]


def load() -> ctypes.CDLL:
    """The library.

    Raises:
        EnvironmentLacksError: it is not installed.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise EnvironmentLacksError(
            f"{LIBRARY} is not installed",
            where="port=user",
            hint="apt-get install libslirp0, or port=tap",
        ) from error
    library.slirp_new.restype = c_void_p
    library.slirp_new.argtypes = [POINTER(_Config), POINTER(_Calls), c_void_p]
    library.slirp_cleanup.argtypes = [c_void_p]
    library.slirp_input.argtypes = [c_void_p, c_char_p, c_int]
    library.slirp_pollfds_fill.argtypes = [c_void_p, POINTER(c_uint32), _AddPoll, c_void_p]
    library.slirp_pollfds_poll.argtypes = [c_void_p, c_int, _GetEvents, c_void_p]
    return library


class Network:
    """One user network: frames of its only guest in, frames for it out.

    Args:
        number: third byte of its addresses: the guest is 10.0.N.15, this machine 10.0.N.2.
        send: takes the frames for the guest.
    """

    def __init__(self, number: int, send: Callable[[bytes], object]) -> None:
        self._library = load()
        self._timers: dict[int, list[Any]] = {}
        self._timer_number = 0
        self._poll: list[tuple[int, int]] = []
        self._calls = self._made_calls(send)
        config = _Config(version=1, in_enabled=True, hostname=b"uvtrace")
        config.network = _address(f"10.0.{number}.0")
        config.netmask = _address("255.255.255.0")
        config.host = _address(f"10.0.{number}.2")
        config.dhcp_start = _address(f"10.0.{number}.15")
        config.nameserver = _address(f"10.0.{number}.3")
        self._network = self._library.slirp_new(config, self._calls, None)
        self._add_poll = _AddPoll(self._want)
        self._get_events = _GetEvents(self._got)
        self._ready: list[int] = []

    def _made_calls(self, send: Callable[[bytes], object]) -> _Calls:
        def send_packet(data: Any, length: int, _: object) -> int:
            send(ctypes.string_at(data, length))
            return length

        return _Calls(
            _SendPacket(send_packet),
            _GuestError(lambda text, _: None),
            _ClockGet(lambda _: time.monotonic_ns()),
            _TimerNew(self._timer_new),
            _TimerFree(lambda timer, _: self._timers.pop(timer, None) and None),
            _TimerSet(self._timer_set),
            _PollFd(lambda fd, _: None),
            _PollFd(lambda fd, _: None),
            _Notify(lambda _: None),
        )

    def _timer_new(self, call: Any, argument: int | None, _: object) -> int:
        self._timer_number += 1
        # The function pointer is copied: ctypes frees its own when this call is over.
        copied = _TimerCall(ctypes.cast(call, c_void_p).value or 0)
        self._timers[self._timer_number] = [None, copied, argument]
        return self._timer_number

    def _timer_set(self, timer: int, time_ms: int, _: object) -> None:
        if timer in self._timers:
            self._timers[timer][0] = time_ms

    def _want(self, fd: int, events: int, _: object) -> int:
        wanted = sum(bit for mine, bit in _EVENTS[:3] if events & mine)
        self._poll.append((fd, wanted))
        return len(self._poll) - 1

    def _got(self, index: int, _: object) -> int:
        return self._ready[index]

    def put(self, frame: bytes) -> None:
        """A frame of the guest's."""
        self._library.slirp_input(self._network, frame, len(frame))

    def step(self, also: int) -> bool:
        """Wait for this machine's sockets, and for ``also``; carry traffic on.

        Returns:
            Whether ``also`` is readable, or closed.
        """
        timeout = c_uint32(1000)
        self._poll.clear()
        self._library.slirp_pollfds_fill(self._network, ctypes.byref(timeout), self._add_poll, None)
        poller = select.poll()
        wanted: dict[int, int] = {also: select.POLLIN}
        for fd, events in self._poll:
            wanted[fd] = wanted.get(fd, 0) | events
        for fd, events in wanted.items():
            poller.register(fd, events)
        found = dict(poller.poll(self._patience_ms(timeout.value)))
        self._ready = [
            sum(mine for mine, bit in _EVENTS if found.get(fd, 0) & bit) for fd, _ in self._poll
        ]
        self._library.slirp_pollfds_poll(self._network, 0, self._get_events, None)
        self._fire_timers()
        return also in found

    def _patience_ms(self, most: int) -> int:
        now = time.monotonic_ns() // _NS_PER_MS
        due: list[int] = [timer[0] - now for timer in self._timers.values() if timer[0] is not None]
        return max(0, min([most, *due]))

    def _fire_timers(self) -> None:
        now = time.monotonic_ns() // _NS_PER_MS
        for timer in list(self._timers.values()):
            if timer[0] is not None and timer[0] <= now:
                timer[0] = None
                timer[1](timer[2])

    def close(self) -> None:
        self._library.slirp_cleanup(self._network)


def _address(text: str) -> int:
    """An address as ``struct in_addr`` has it: its bytes in order, in memory."""
    return int.from_bytes(socket.inet_aton(text), "little")
