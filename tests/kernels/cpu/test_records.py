"""Records declare what they hold, and what contradicts a declaration is refused while a plan is made."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from accelserve.kernels.cpu import records
from accelserve.kernels.cpu.compiler.lowering import LOWERINGS, Address, Code, lowers, record_of
from accelserve.kernels.cpu.compiler.ops import LOWERINGS as REGISTERED
from accelserve.kernels.cpu.records import convolution, elements, elementwise, epilogue, frame, matrix, tiles
from accelserve.kernels.cpu.records.convolution import CONVOLUTION
from accelserve.kernels.cpu.records.declaration import RECORD_WORDS, Record
from accelserve.kernels.errors import PlanError
from accelserve.kernels.ir import Node, QAdd, QLookup

MODULES = [
    importlib.import_module(f"{records.__name__}.{entry.name}")
    for entry in pkgutil.iter_modules(records.__path__)
    if entry.name != "declaration"
]
DECLARED = {
    module.__name__: value
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, Record) and value.module == module.__name__
}


def test_every_file_of_the_room_declares_a_record() -> None:
    assert set(DECLARED) == {module.__name__ for module in MODULES}


@pytest.mark.parametrize("name", DECLARED)
def test_no_two_fields_share_a_word_and_each_has_a_name_and_a_meaning(name: str) -> None:
    record = DECLARED[name]
    taken = [at for field in record for at in range(field.position, field.position + field.words)]
    assert taken == list(range(record.words))
    assert record.words <= RECORD_WORDS
    assert all(field.what for field in record)
    # Fields of a block have their names in the block's own file.
    names = list(record.names().values())
    assert len(set(names)) == len(names) > 0


def test_what_extends_a_record_begins_with_its_fields() -> None:
    for record in (tiles.TILES_RECORD, matrix.MATRIX):
        assert list(record)[: len(list(CONVOLUTION))] == list(CONVOLUTION)
        assert record.unit_of(convolution.OUTPUT) is CONVOLUTION.unit_of(convolution.OUTPUT)


def test_words_have_names_for_messages() -> None:
    record = elementwise.ELEMENTWISE
    assert record.name_of(epilogue.HIGH) == "HIGH"
    assert record.name_of(elements.SOURCE + frame.WIDTH) == f"SOURCE + {frame.WIDTH}"
    assert record.name_of(elementwise.UNITS) == "UNITS"


def test_a_record_that_is_extended_gets_no_more_fields() -> None:
    with pytest.raises(ValueError, match="extended by another record"):
        CONVOLUTION.count("one more")


def test_a_record_is_as_long_as_memory_has_room_for() -> None:
    record = Record(__name__)
    record.count("many", words=RECORD_WORDS)
    with pytest.raises(ValueError, match=f"no room for 'one more': a record has {RECORD_WORDS} words"):
        record.count("one more")


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        (({convolution.PANELS: 1}, {convolution.PANELS: 2}), "PANELS of the record 'tiles' is set twice"),
        (({tiles.KERNEL + 1: 8},), r"KERNEL \+ 1 of the record 'tiles' holds a kernel, got 8"),
        (({convolution.INPUT: Code("conv")},), "INPUT .* holds an address, got Code"),
        (({tiles.TILES: Address("arena", 0, 0)},), "TILES .* holds a count, got Address"),
        (({RECORD_WORDS: 1},), f"has no word {RECORD_WORDS}"),
    ],
)
def test_a_record_refuses_what_it_does_not_declare(
    parts: tuple[dict[int, int | Address | Code], ...], complaint: str
) -> None:
    with pytest.raises(PlanError, match=complaint):
        record_of(tiles.TILES_RECORD, *parts)


def test_a_lowering_takes_the_operators_that_it_is_registered_for() -> None:
    def of_lookups(node: Node, op: QLookup, context: object) -> tuple[()]:
        return ()

    before = dict(LOWERINGS)
    with pytest.raises(TypeError, match=r"lowers \['QAdd'\] but takes .*QLookup"):
        lowers(QAdd)(of_lookups)
    with pytest.raises(TypeError, match="QLookup has two lowerings"):
        lowers(QLookup)(of_lookups)
    assert before == LOWERINGS == REGISTERED
