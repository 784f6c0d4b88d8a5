"""Fields of an exact Winograd convolution's record, beside those of ``conv_fields`` that its epilogue reads.

A *tile* is m x m pixels of the result, a *patch* the n x n pixels of the input under it, n = m + 2, a *tap* one of its
n * n transformed elements, a *chunk* the tiles of one item, a *group* the tiles that one call of a microkernel
multiplies, a *pass* the panels of output channels that are multiplied together.
"""

INPUT = 0  # the patch of tile (0, 0)
PIXEL_STEP = 1  # from one pixel of the input to the next
ROW_STEP = 2
SIDE = 3  # n
READY_WEIGHTS = (
    4  # address of transformed weights [panel][tap][...], or 0: they are transformed for every chunk
)
TILES = 5
WEIGHTS = 6  # int8, panel by panel
PANEL_BYTES = 7  # of a panel's int8 weights
PARAMETERS = 8
PARAMETER_BYTES = 9  # of a panel; half of it is what a tile of the products takes
PANELS = 10
TILE_COLUMNS = 11
CHUNKS = 12
GROUPS = 13  # of a chunk
PANEL_CHANNELS = 14
INPUT_TILE = 15  # bytes from one tile's transformed channels to the next one's
PANEL_PASS = 16
CHANNEL_BLOCKS = 17  # vectors of int16 that a pixel's channels fill
KERNEL = (
    25  # of smaller groups and a full panel; then: of larger groups by one tile; then both for the last panel
)
FINISH = 29  # of a full panel; then: of the last one
PANEL_ITEMS = 31  # items that share a chunk
TURNS = 32  # of the products' innermost loop
WEIGHT_BLOCKS = 41  # vectors of int16 that one tap of a full panel fills
LAST_WEIGHT_BLOCKS = 55  # and of the last one
TRANSFORM = 56  # kernels
TRANSFORM_WEIGHTS = 57
SCRATCH = 58  # of worker 0: transformed inputs, int16 [tap][tile][channel], then products, then weights
THREAD_BYTES = 59  # scratch of a worker
INPUT_TAP = 60  # bytes from one tap to the next
PRODUCTS = 61  # bytes from SCRATCH to the products, int32 [panel of a pass][tap][tile][channel]
PRODUCTS_TAP = 62
WEIGHT_TAP = 63  # bytes from one tap of the transformed weights to the next, int16 [panel of a pass][tap of two rows][...]
INPUT_CHANNELS = 65
WEIGHTS_ARE_READY = 66  # or 0: they are transformed for every chunk
