"""Dense float32: operators of elements, of two operands, and along an axis."""

from accelserve.kernels.cpu.records.declaration import Record

FLOATS = Record(__name__)

SOURCE = FLOATS.address("the operand")
TARGET = FLOATS.address("the result")
ITEMS = FLOATS.count("that share the work")
COUNT = FLOATS.count("elements of the result")
FUNCTION = FLOATS.count("which function, numbered in ``ops.floating``; of two operands 1 multiplies")
FIRST_PARAMETER = FLOATS.float32("of the function")
SECOND_PARAMETER = FLOATS.float32("of the function")
CHANNELS = FLOATS.count("elements along the axis")
MULTIPLY = FLOATS.address("float32 [CHANNELS]")
ADDEND = FLOATS.address("float32 [CHANNELS]")
# Of two operands:
OTHER = FLOATS.address("the second operand")
SHAPE = FLOATS.count("sizes of the result, outermost first", words=4)
SOURCE_STEPS = FLOATS.count("elements of the operand from one index to the next", words=4)
OTHER_STEPS = FLOATS.count("elements of the second operand from one index to the next", words=4)
# Along an axis:
INNER = FLOATS.count("elements between neighbours")
EPSILON = FLOATS.float32("least length of a norm")
SIZE = FLOATS.count("channels that a local norm looks at")
ALPHA = FLOATS.float32("of a local norm, divided by SIZE")
BETA = FLOATS.count("the exponent of a local norm, in the steps of ``exponent_steps``")
BIAS = FLOATS.float32("of a local norm")
