"""Declares the fields of a record, one after the other.

A record is int64 words that a step's machine code reads. Each file of this room declares one: every field with what it
holds, its unit being the method that declares it. A field's value is its position, an int that numba and emitters see as
a constant. Positions are given out in the order of the declarations, so no two fields can share one. A record that
``extends`` another begins with its fields, at their positions, so that code for those fields serves both.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

RECORD_WORDS = 104
"""Of every record: what steps' records take in memory, whatever they declare."""


class Unit(Enum):
    """What a word holds."""

    ADDRESS = "an address"
    KERNEL = "a kernel"
    BYTES = "bytes"
    COUNT = "a count"
    CODE = "a stored integer, such as a zero point"
    FLOAT32 = "the bits of a float32"


@dataclass(frozen=True, slots=True)
class FieldOf:
    """A field of a record.

    Attributes:
        position: of its first word.
        words: how many it has; a field of more than one is read as position + index.
        unit: of each word.
        what: what it holds.
    """

    position: int
    words: int
    unit: Unit
    what: str


class Record:
    """The fields of one kind of record, as its file declares them.

    Args:
        module: the declaring file's ``__name__``.
        extends: the record whose fields come first; it can have no more of its own afterwards.
    """

    def __init__(self, module: str, extends: Record | None = None) -> None:
        self.module, self.extends = module, extends
        self._units: list[Unit] = [] if extends is None else list(extends.units)
        self._own: list[FieldOf] = []
        self.is_extended = False
        if extends is not None:
            extends.is_extended = True

    def address(self, what: str, words: int = 1) -> int:
        """Bytes from nothing: where something begins in memory; 0 where there is none."""
        return self._declare(Unit.ADDRESS, what, words)

    def kernel(self, what: str, words: int = 1) -> int:
        """The address of machine code; 0 where there is none."""
        return self._declare(Unit.KERNEL, what, words)

    def bytes(self, what: str, words: int = 1) -> int:
        """A distance or a size in bytes."""
        return self._declare(Unit.BYTES, what, words)

    def count(self, what: str, words: int = 1) -> int:
        """How many of something, its name being the unit; 0 or 1 for a choice."""
        return self._declare(Unit.COUNT, what, words)

    def code(self, what: str, words: int = 1) -> int:
        """A number as tensors of integers store it."""
        return self._declare(Unit.CODE, what, words)

    def float32(self, what: str, words: int = 1) -> int:
        """The bits of a float32, in the low half of the word."""
        return self._declare(Unit.FLOAT32, what, words)

    def block(self, of: Record, what: str) -> int:
        """All fields of another record, which are read as position + field."""
        at = self.words
        for each in of:
            self._declare(each.unit, f"{what}: {each.what}", each.words)
        return at

    @property
    def words(self) -> int:
        """How many words its fields take together."""
        return len(self._units)

    @property
    def units(self) -> Sequence[Unit]:
        """Of each word."""
        return self._units

    def _declare(self, unit: Unit, what: str, words: int) -> int:
        if self.is_extended:
            raise ValueError(f"{self.module} is extended by another record, so it can have no more fields")
        if self.words + words > RECORD_WORDS:
            raise ValueError(f"{self.module} has no room for '{what}': a record has {RECORD_WORDS} words")
        self._own.append(FieldOf(self.words, words, unit, what))
        self._units += [unit] * words
        return self._own[-1].position

    def __str__(self) -> str:
        return f"the record '{self.module.rpartition('.')[2]}'"

    def __iter__(self) -> Iterator[FieldOf]:
        """Every field, in order of position."""
        if self.extends is not None:
            yield from self.extends
        yield from self._own

    def unit_of(self, position: int) -> Unit | None:
        """Of a word; None if no field has it."""
        return self._units[position] if 0 <= position < len(self._units) else None

    def name_of(self, position: int) -> str:
        """The name of the field that a word belongs to, with the word's place in it, for messages."""
        names: dict[int, str] = {}
        record: Record | None = self
        while record is not None:
            names, record = names | record.names(), record.extends
        at = max((start for start in names if start <= position), default=0)
        return names.get(at, "?") if at == position else f"{names.get(at, '?')} + {position - at}"

    def names(self) -> dict[int, str]:
        """Position -> the name that this record's own file gives it."""
        constants = vars(sys.modules[self.module]).items()
        found = {value: name for name, value in constants if name.isupper() and isinstance(value, int)}
        return {f.position: found[f.position] for f in self._own if f.position in found}
