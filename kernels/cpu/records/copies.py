"""Steps that move bytes between places of any strides."""

from accelserve.kernels.cpu.records.declaration import Record
from accelserve.kernels.cpu.records.frame import FRAME

COPIES = Record(__name__)
RANK = 4
"""Dimensions of a copy."""

SOURCE = COPIES.address("the first element to read")
TARGET = COPIES.address("the first element to write")
SHAPE = COPIES.count("sizes of what is copied, outermost first", words=RANK)
SOURCE_STRIDES = COPIES.bytes("from one index to the next, in the source", words=RANK)
TARGET_STRIDES = COPIES.bytes("from one index to the next, in the target", words=RANK)
ELEMENT = COPIES.bytes("of an element")
ITEMS = COPIES.count("that share the second dimension")
HALO = COPIES.block(FRAME, "the target's frame")
SOURCE_FRAME = COPIES.block(FRAME, "the source's frame, of a reflow")
VALUE = COPIES.code("the bits of the element that fills")
