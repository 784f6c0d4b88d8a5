"""Exact Winograd convolutions.

A *tile* is m x m pixels of the result, a *patch* the n x n pixels of the input under it, n = m + 2, a *tap* one of its
n * n transformed elements, a *chunk* the tiles of one item, a *group* the tiles that one call of a microkernel
multiplies, a *pass* the panels of output channels that are multiplied together, a *part* a share of the input's
channels whose sums stay within the form's bound. Where the window is dilated, pixels of a tile and of a patch lie as
far apart as the window's.

Behind the longest rows and columns of tiles come those that are a pixel shorter and lack tap n - 2. Tiles are counted so
that those with a given tap are neighbours: first those of longest rows in shorter columns, then all others of longest
columns, row by row, then those that are shorter both ways.
"""

from accelserve.kernels.cpu.records.convolution import CONVOLUTION
from accelserve.kernels.cpu.records.declaration import Record

EXACT_WINOGRAD = Record(__name__, extends=CONVOLUTION)

SIDE = EXACT_WINOGRAD.count("n")
TILES = EXACT_WINOGRAD.count("of the image")
TILE_ROWS = EXACT_WINOGRAD.count("rows of tiles")
TILE_COLUMNS = EXACT_WINOGRAD.count("tiles of a row")
CHUNKS = EXACT_WINOGRAD.count("of the image")
LONGEST_ROWS = EXACT_WINOGRAD.count("rows of tiles of m pixels; those behind them have one less")
LONGEST_COLUMNS = EXACT_WINOGRAD.count("columns of tiles of m pixels; those behind them have one less")
TILE_STARTS = EXACT_WINOGRAD.address(
    "int64: row of the first result of each row of tiles, then column of that of each column of tiles"
)
DILATION = EXACT_WINOGRAD.count("pixels from one of a tile to the next: down; to the right", words=2)
GROUP_TILES = EXACT_WINOGRAD.count("most tiles of a group")
INPUT_CHANNELS = EXACT_WINOGRAD.count("of a pixel")
CHANNEL_BLOCKS = EXACT_WINOGRAD.count("vectors of int16 that a pixel's channels fill")
PARTS = EXACT_WINOGRAD.count("even shares of the channels")
TURNS = EXACT_WINOGRAD.count("of the products' innermost loop, which takes one part")
PANEL_PASS = EXACT_WINOGRAD.count("panels of a pass")
WEIGHT_BLOCKS = EXACT_WINOGRAD.count("vectors of int16 that one tap of a full panel fills")
LAST_WEIGHT_BLOCKS = EXACT_WINOGRAD.count("vectors of int16 that one tap of the last panel fills")
READY_WEIGHTS = EXACT_WINOGRAD.address("transformed weights [panel][tap][...], where WEIGHTS_ARE_READY")
WEIGHTS_ARE_READY = EXACT_WINOGRAD.count("1, or 0: they are transformed for every chunk")
WEIGHT_TAP = EXACT_WINOGRAD.bytes(
    "from one tap of the transformed weights to the next, int16 [panel of a pass][tap of two rows][...]"
)
SCRATCH = EXACT_WINOGRAD.address(
    "of worker 0: transformed inputs, int16 [tap][tile][channel], then products, then weights"
)
THREAD_BYTES = EXACT_WINOGRAD.bytes("from one worker's scratch to the next one's")
INPUT_TILE = EXACT_WINOGRAD.bytes("from one tile's transformed channels to the next one's")
INPUT_TAP = EXACT_WINOGRAD.bytes("from one tap of the transformed inputs to the next")
PRODUCTS = EXACT_WINOGRAD.bytes(
    "from SCRATCH to the products, int32 [panel of a pass][part][tap][tile][channel]"
)
PRODUCTS_TAP = EXACT_WINOGRAD.bytes("from one tap of the products to the next")
PART_INPUT = EXACT_WINOGRAD.bytes("from one part of a tile's transformed channels to the next")
PART_WEIGHTS = EXACT_WINOGRAD.bytes(
    "from one part of a tap's transformed weights to the next: of a full panel; of the last one", words=2
)
TRANSFORM = EXACT_WINOGRAD.kernel(
    "that transforms patches: of longest tiles; of shorter columns; of shorter rows; of both", words=4
)
TRANSFORM_WEIGHTS = EXACT_WINOGRAD.kernel("that transforms weights")
MOST_GROUP_TILES = 6
KERNEL = EXACT_WINOGRAD.kernel(
    "groups of 1 to MOST_GROUP_TILES tiles by a full panel; by the last one", words=2 * MOST_GROUP_TILES
)
FINISH = EXACT_WINOGRAD.kernel(
    "that makes results of a full panel, of tiles as for TRANSFORM; of the last one", words=8
)
