# SPDX-License-Identifier: Apache-2.0
"""The Microwire EEPROM behind EECD: 64 words, read bit by bit, and what they hold.

Sources: Intel, *PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual*,
5.2 (interface), 5.6 (map); a 93C46's data sheet for the bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from uvtrace.device.messages import Seen

EECD = 0x10
WORDS = 64
CHECKSUM_WORD = 0x3F
CHECKSUM = 0xBABA
"""What all words together make, modulo 65536."""
SK, CS, DI, DO = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_START_AND_READ = 0b110
_COMMAND_BITS = 3 + 6
_WORD_BITS = 16


def contents(mac: bytes, device: int, vendor: int = 0x8086) -> list[int]:
    """The words of a card with this address, with a checksum that is right."""
    words = [0] * WORDS
    for number in range(3):
        words[number] = int.from_bytes(mac[2 * number : 2 * number + 2], "little")
    words[0x08], words[0x09] = 0x3000, 0x1000  # the board's part number
    words[0x0A] = 0x6403  # initialisation control: identities come from here
    words[0x0B], words[0x0C] = device, vendor  # of the subsystem
    words[0x0D], words[0x0E] = device, vendor
    words[0x0F] = 0x3040
    words[CHECKSUM_WORD] = (CHECKSUM - sum(words)) & 0xFFFF
    return words


class Eeprom:
    """A 93C46 that is written to nowhere: READ is the only command that it knows.

    Args:
        words: its 64 words.

    Attributes:
        output: the line DO.
        reading: the word that is being read; None: no command, or no whole one.
    """

    def __init__(self, words: Sequence[int]) -> None:
        self.words = tuple(words)
        self.output = True
        self._lines = 0
        self._shifted = 0
        self._bits = 0
        self.reading: int | None = None

    def drive(self, lines: int) -> None:
        """The driver has set SK, CS and DI, as they stand in EECD."""
        rises = lines & SK and not self._lines & SK
        self._lines = lines
        if not lines & CS:
            self._deselect()
        elif rises:
            self._clock(bool(lines & DI))

    def _deselect(self) -> None:
        self._shifted = self._bits = 0
        self.reading = None
        self.output = True

    def _clock(self, bit: bool) -> None:
        if self.reading is not None:
            self._shift_out(self.reading)
        elif bit or self._bits:  # zeros before the start bit mean nothing
            self._shifted = self._shifted << 1 | bit
            self._bits += 1
            if self._bits == _COMMAND_BITS:
                self._begin()

    def _begin(self) -> None:
        if self._shifted >> 6 == _START_AND_READ:
            self.reading = self._shifted % WORDS
            self.output = False  # a 0 comes before the data
        self._shifted = self._bits = 0

    def _shift_out(self, address: int) -> None:
        self.output = bool(self.words[address] >> (_WORD_BITS - 1 - self._bits) & 1)
        self._bits += 1
        if self._bits == _WORD_BITS:  # the next word follows by itself
            self._bits = 0
            self.reading = (address + 1) % WORDS


def words_read(seen: Iterable[Seen]) -> dict[int, int]:
    """The words that a recorded driver has read, from the bits of EECD that it saw."""
    listener, words = Eeprom([0] * WORDS), dict[int, int]()
    address, bits = None, ""
    for access in seen:
        if (access.bar, access.offset) != (0, EECD):
            continue
        if access.is_write:
            idle = listener.reading is None
            listener.drive(access.value)
            if idle and listener.reading is not None:
                address, bits = listener.reading, ""
        elif address is not None and access.value & SK and len(bits) < _WORD_BITS:
            bits += "1" if access.value & DO else "0"
            if len(bits) == _WORD_BITS:
                words[address] = int(bits, 2)
    return words
