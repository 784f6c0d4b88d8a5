"""Fields of a convolution's record, as positions of int64 in it. Drivers and microkernels read the same record.

Addresses and pitches are in bytes, floats are their bits. A *segment* is a run of input bytes that lie side by side
for one output pixel (a row of the window, or one tap), a *panel* the output channels of one tile.
"""

INPUT = 0  # window origin of output pixel (0, 0)
PIXEL_STEP = 1  # from one output pixel's window to the next, in the input
ROW_STEP = 2
SEGMENTS = 3
SEGMENT_GROUPS = 4  # dot products a segment, divided by the unrolling
SEGMENT_OFFSETS = 5  # address of int64 [SEGMENTS], bytes from the window's origin
WEIGHTS = 6
PANEL_BYTES = 7  # of packed weights
PARAMETERS = 8  # address of int32 bias and float32 scale, panel by panel
PARAMETER_BYTES = 9  # of a panel
PANELS = 10  # of one group
GROUPS = 11
GROUP_INPUT_BYTES = 12  # from one group's input channels to the next one's
GROUP_CHANNELS = 13  # output channels of a group
PANEL_CHANNELS = 14
ROWS = 15
TILES = 16  # of a row, full ones first
TILE_ROWS = 17  # output pixels of a tile
OUTPUT = 18
OUTPUT_PIXEL = 19
OUTPUT_ROW = 20
OUTPUT_BYTES = 21  # of one element
RESIDUAL = 22
RESIDUAL_PIXEL = 23
RESIDUAL_ROW = 24
KERNEL = 25  # full tile, full panel; then: smaller tile, last panel of a group, both
KERNEL_SMALL_TILE = 26
KERNEL_LAST_PANEL = 27
KERNEL_CORNER = 28
TILE_CHUNK = 29  # tiles of one item, counted through all rows
PANEL_CHUNK = 30  # panels of one item
PANEL_ITEMS = 31
PANELS_OUTER = 32
MID_LOW = 33
MID_HIGH = 34
MID_MULTIPLIER = 35
RESIDUAL_ZERO = 36
RESIDUAL_MULTIPLIER = 37
LOW = 38  # bounds less the zero point, float32
HIGH = 39
ZERO_POINT = 40
GROUP_WEIGHT_BYTES = 41
LOW_BYTE = 42
HIGH_BYTE = 43
HALO = 44  # the frame's fields start here, 11 of them
SEGMENT_BYTES = 64  # of a segment that count; what is read beyond is multiplied by 0
FULL_TILES = 55  # of a row; those behind them have a pixel less
# Of convolutions that widen their input first; INPUT and steps are those of the widened copy, these of the input itself:
WIDEN = 57  # the kernel that copies
SOURCE = 58
SOURCE_PIXEL = 59
SOURCE_ROW = 60
RUN_BLOCKS = 61  # of one pixel, where each is copied by itself; else 0
WINDOW_BYTES = 62  # from a window's first byte to behind its last one
WIDENED_BYTES = 63  # of each worker's copy; 0 where a step before has made one of all the input
# Of convolutions by split weights:
REPAIR_OFFSETS = (
    65  # address of int32, bytes from the window's origin to the groups that each repair chooses from
)
REPAIR_WEIGHTS = 66  # address of int8 [repairs][lanes][4]
REPAIRS = 67  # of all panels
SHUFFLES = (
    68  # address of the table by which channels change places when the input is copied; 0 where it is widened
)
REPAIR_PICKS = 69  # address of uint8 [repairs][lanes], which of eight groups each lane takes
# Of matrix and depthwise kernels only, some in the place of what they do not use:
BLOCKS = 15  # address of the table of blocks
BLOCK_COUNT = 16
ROWS_A_STEP = 17  # rows of a pending block that each step finishes
KERNEL_MATRIX = 25  # for full panels; then for a group's last one
AHEAD = 27  # address of the table of weights to ask for, a row per item; then: of its last row, nothing
NOTHING_AHEAD = 28
PITCH = 55  # positions from one row to the next
COLUMNS = 56  # of them that are pixels; of a widened input too
TILE_STEP = 57  # from the first tile's input to the second one's
OUTPUT_JUMP = 58  # at a row's end, beyond the pixels' own steps
RESIDUAL_JUMP = 59
CONFIGURATION = 60  # address of the tile registers' configuration, 64 bytes
CONFIGURE = 61  # functions that set and release the tile registers
RELEASE = 62
SUMS = 63  # two buffers of sums, of each worker
