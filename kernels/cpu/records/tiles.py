"""Convolutions by tiles of the instruction set, on their input as it lies or on a copy of it, and depthwise ones."""

from accelserve.kernels.cpu.records.convolution import CONVOLUTION
from accelserve.kernels.cpu.records.declaration import Record

TILES_RECORD = Record(__name__, extends=CONVOLUTION)

ROWS = TILES_RECORD.count("of the result; 1 where all of it counts as one row")
TILES = TILES_RECORD.count("of a row, full ones first")
TILE_ROWS = TILES_RECORD.count("output pixels of a full tile")
FULL_TILES = TILES_RECORD.count("of a row; those behind them have a pixel less")
COLUMNS = TILES_RECORD.count("output pixels of a row")
KERNEL = TILES_RECORD.kernel(
    "full tile, full panel; smaller tile; last panel of a group; both (depthwise: one for all)", words=4
)
# Of convolutions that copy their input first, for whom INPUT and the steps are those of the copy:
WIDEN = TILES_RECORD.kernel("that copies")
SOURCE = TILES_RECORD.address("window origin of output pixel (0, 0), in what is copied")
SOURCE_PIXEL = TILES_RECORD.bytes("from one output pixel's window to the next, in what is copied")
SOURCE_ROW = TILES_RECORD.bytes("from one output row's first window to the next one's, in what is copied")
RUN_BLOCKS = TILES_RECORD.count("blocks of one pixel, where each is copied by itself; else 0")
WINDOW_BYTES = TILES_RECORD.bytes("from a window's first byte to behind its last one")
WIDENED_BYTES = TILES_RECORD.bytes(
    "from each worker's copy to the next one's; 0 where a step before has made one of all the input"
)
SHUFFLES = TILES_RECORD.address("the tables by which channels change places when the input is copied")
SOURCE_SEGMENT = TILES_RECORD.bytes(
    "from one segment of a window to the next, in what is copied to be permuted"
)
COPIED_SEGMENT = TILES_RECORD.bytes("from one segment of all windows of a permuted copy to the next")
COPIED_TILES = TILES_RECORD.count("tiles of a permuted copy")
ORDER_PANELS = TILES_RECORD.count("panels that share a table, and a copy")
# Of convolutions by split weights:
REPAIRS = TILES_RECORD.count("of all panels")
REPAIR_OFFSETS = TILES_RECORD.address(
    "int32 [REPAIRS], bytes from the window's origin to the groups that each repair chooses from"
)
REPAIR_WEIGHTS = TILES_RECORD.address("int8 [REPAIRS][lanes][4]")
REPAIR_PICKS = TILES_RECORD.address("uint8 [REPAIRS][lanes], which of eight groups each lane takes")
