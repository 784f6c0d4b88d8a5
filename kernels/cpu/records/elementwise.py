"""QAdd, QChannelAffine, QL2Normalize, QLookup."""

from accelserve.kernels.cpu.records.declaration import Record
from accelserve.kernels.cpu.records.elements import ELEMENTS
from accelserve.kernels.cpu.records.frame import FRAME

ELEMENTWISE = Record(__name__, extends=ELEMENTS)

OTHER = ELEMENTWISE.block(FRAME, "the second operand's frame")
INPUT_MULTIPLIER = ELEMENTWISE.float32("of the first operand of a sum")
OTHER_ZERO = ELEMENTWISE.code("zero point of the second operand")
OTHER_MULTIPLIER = ELEMENTWISE.float32("of the second operand of a sum")
TABLE = ELEMENTWISE.address("uint8 [256]")
PARAMETERS = ELEMENTWISE.address("float32, block after block: what multiplies and what is added")
EPSILON = ELEMENTWISE.float32("least length of a norm")
UNITS = ELEMENTWISE.address("scratch of worker 0: float32, a pixel of a row each")
UNITS_BYTES = ELEMENTWISE.bytes("from one worker's scratch to the next one's")
