"""Exact Winograd convolutions.

A *tile* is m x m pixels of the result, a *patch* the n x n pixels of the input under it, n = m + 2, a *tap* one of its
n * n transformed elements, a *chunk* the tiles of one item, a *group* the tiles that one call of a microkernel
multiplies, a *pass* the panels of output channels that are multiplied together.
"""

from accelserve.kernels.cpu.records.convolution import CONVOLUTION
from accelserve.kernels.cpu.records.declaration import Record

EXACT_WINOGRAD = Record(__name__, extends=CONVOLUTION)

SIDE = EXACT_WINOGRAD.count("n")
TILES = EXACT_WINOGRAD.count("of the image")
TILE_COLUMNS = EXACT_WINOGRAD.count("tiles of a row")
CHUNKS = EXACT_WINOGRAD.count("of the image")
CHUNK_GROUPS = EXACT_WINOGRAD.count("groups of a chunk")
INPUT_CHANNELS = EXACT_WINOGRAD.count("of a pixel")
CHANNEL_BLOCKS = EXACT_WINOGRAD.count("vectors of int16 that a pixel's channels fill")
TURNS = EXACT_WINOGRAD.count("of the products' innermost loop")
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
THREAD_BYTES = EXACT_WINOGRAD.bytes("scratch of a worker")
INPUT_TILE = EXACT_WINOGRAD.bytes("from one tile's transformed channels to the next one's")
INPUT_TAP = EXACT_WINOGRAD.bytes("from one tap of the transformed inputs to the next")
PRODUCTS = EXACT_WINOGRAD.bytes("from SCRATCH to the products, int32 [panel of a pass][tap][tile][channel]")
PRODUCTS_TAP = EXACT_WINOGRAD.bytes("from one tap of the products to the next")
TRANSFORM = EXACT_WINOGRAD.kernel("that transforms patches")
TRANSFORM_WEIGHTS = EXACT_WINOGRAD.kernel("that transforms weights")
KERNEL = EXACT_WINOGRAD.kernel(
    "smaller groups by a full panel; larger ones by one tile; both for the last panel", words=4
)
FINISH = EXACT_WINOGRAD.kernel("that makes results of a full panel; of the last one", words=2)
