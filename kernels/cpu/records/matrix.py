"""Convolutions on matrix tiles: positions in blocks of two tiles, some of which lie between two rows."""

from accelserve.kernels.cpu.records.convolution import CONVOLUTION
from accelserve.kernels.cpu.records.declaration import Record

MATRIX = Record(__name__, extends=CONVOLUTION)

BLOCKS = MATRIX.address("the table of blocks")
BLOCK_COUNT = MATRIX.count("blocks of the table")
ROWS_A_STEP = MATRIX.count("rows of a pending block that each step finishes")
KERNEL = MATRIX.kernel("for full panels; for a group's last one", words=2)
AHEAD = MATRIX.address("the table of weights to ask for, a row per item and a last one for nothing", words=2)
PITCH = MATRIX.count("positions from one row to the next")
COLUMNS = MATRIX.count("positions of a row that are pixels")
TILE_STEP = MATRIX.bytes("from the first tile's input to the second one's")
OUTPUT_JUMP = MATRIX.bytes("of the result at a row's end, beyond the pixels' own steps")
RESIDUAL_JUMP = MATRIX.bytes("of the residual at a row's end, beyond the pixels' own steps")
CONFIGURATION = MATRIX.address("the tile registers' configuration, 64 bytes")
CONFIGURE = MATRIX.kernel("that sets the tile registers")
RELEASE = MATRIX.kernel("that releases the tile registers")
SUMS = MATRIX.address("two buffers of sums, of each worker")
