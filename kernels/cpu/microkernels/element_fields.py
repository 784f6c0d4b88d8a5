"""Fields of the records of operators that compute element by element, as positions of int64.

The epilogue's bounds and zero point stand where ``conv_fields`` has them, so that the same emitters read them.
"""

from accelserve.kernels.cpu.microkernels import conv_fields

TARGET = 0  # three frames
SOURCE = 12
OTHER = 24
ITEMS = 36
LOW = conv_fields.LOW
HIGH = conv_fields.HIGH
ZERO_POINT = conv_fields.ZERO_POINT
LOW_BYTE = conv_fields.LOW_BYTE
HIGH_BYTE = conv_fields.HIGH_BYTE
INPUT_ZERO = 44
INPUT_MULTIPLIER = 45
OTHER_ZERO = 46
OTHER_MULTIPLIER = 47
TABLE = 48
PARAMETERS = 49  # address of float32, block after block: what multiplies and what is added
KERNEL = 50
# Of norms:
EPSILON = 51  # float32
UNITS = 52  # scratch of worker 0: float32, a pixel of a row each
UNITS_BYTES = 53  # of a worker
# Of pools:
STRIDES = 51  # rows, columns
BEFORE = 53  # padding above, left
DILATIONS = 55
KERNEL_SIZE = 57
MULTIPLIER = 59  # address of float32 [cells + 1]
COUNT_PADDING = 60
