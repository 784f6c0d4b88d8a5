"""Pools, and convolutions of float32; pairs are of rows and columns."""

from accelserve.kernels.cpu.records.declaration import Record
from accelserve.kernels.cpu.records.elements import ELEMENTS

WINDOWS = Record(__name__, extends=ELEMENTS)

STRIDES = WINDOWS.count("pixels of the input from one window to the next", words=2)
BEFORE = WINDOWS.count("padding above, left", words=2)
DILATIONS = WINDOWS.count("pixels of the input from one cell of the window to the next", words=2)
KERNEL_SIZE = WINDOWS.count("cells of the window", words=2)
MULTIPLIER = WINDOWS.address("float32 [cells + 1], of a mean by the cells inside the image")
COUNT_PADDING = WINDOWS.count("1 where padding counts in a mean")
# Of convolutions of float32:
GROUPS = WINDOWS.count("that channels are divided into")
WEIGHTS = WINDOWS.address("float32 [groups][R][S][C/groups][K/groups]")
BIAS = WINDOWS.address("float32 [K]")
