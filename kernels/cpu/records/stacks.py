"""The step that stacks rows of the input for matrix tiles."""

from accelserve.kernels.cpu.records.declaration import Record

STACKS = Record(__name__)

SOURCE = STACKS.address("the first row")
SOURCE_ROW = STACKS.bytes("from one row to the next")
TARGET = STACKS.address("the first stack")
TARGET_ROW = STACKS.bytes("from one row of stacks to the next")
ITEMS = STACKS.count("that share the rows")
ROWS = STACKS.count("rows of stacks")
TURNS = STACKS.count("of the kernel in a row")
KERNEL = STACKS.kernel("that stacks")
USED_ROWS = STACKS.count("rows of the source that windows read; weights are 0 for the others")
USED_BYTES = STACKS.bytes("of a row of the source that windows read")
