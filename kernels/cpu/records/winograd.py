"""Convolutions in the Winograd domain.

Products are made by the microkernels of ``conv2d`` with float32 results, whose "pixels" are patches here: PIXEL_STEP and
OUTPUT_PIXEL are those of patches. A *patch* is 4x4 pixels of the input and 2x2 of the result.
"""

from accelserve.kernels.cpu.records.convolution import CONVOLUTION
from accelserve.kernels.cpu.records.declaration import Record

WINOGRAD = Record(__name__, extends=CONVOLUTION)

SOURCE_PIXEL = WINOGRAD.bytes("from one pixel of the input to the next")
PATCHES = WINOGRAD.count("of the whole image")
PATCH_COLUMNS = WINOGRAD.count("patches of a row")
PATCH_CHUNK = WINOGRAD.count("patches of one item")
TILE_ROWS = WINOGRAD.count("patches that one call of a microkernel multiplies")
TAP_WEIGHT_BYTES = WINOGRAD.bytes("of one tap's packed weights of a panel")
LAST_TAP_WEIGHT_BYTES = WINOGRAD.bytes("of one tap's packed weights of the last panel")
TAP_PARAMETER_BYTES = WINOGRAD.bytes(
    "of one tap's parameters of all panels; what would be those of tap 16 is the float32 bias"
)
TAP_TABLE = WINOGRAD.address("int16 [tap][3][vector]: multipliers, zero points, what pixels' zero point adds")
CHANNEL_BLOCKS = WINOGRAD.count("turns of the transform for one patch")
TRANSFORMED = WINOGRAD.address(
    "scratch of worker 0: quantized taps of an item's patches, [tap][patch][channel]"
)
THREAD_BYTES = WINOGRAD.bytes("from one worker's scratch to the next one's")
TRANSFORMED_TAP = WINOGRAD.bytes("from one tap to the next")
PRODUCTS = WINOGRAD.bytes("from TRANSFORMED to the products, float32 [tap][patch][channel of a panel]")
PRODUCTS_TAP = WINOGRAD.bytes("from one tap's products to the next one's")
KERNEL = WINOGRAD.kernel("that multiplies by a full panel; by the last one", words=2)
TRANSFORM = WINOGRAD.kernel("that transforms patches")
FINISH = WINOGRAD.kernel("that makes results of a full panel; of the last one", words=2)
# Of matrix tiles only:
KERNEL_HALF = WINOGRAD.kernel("that multiplies HALF_GROUP patches by a full panel; by the last one", words=2)
HALF_GROUP = WINOGRAD.count("so many patches or fewer are multiplied by KERNEL_HALF; 0 where there is none")
CONFIGURATION = WINOGRAD.address("the tile registers' configuration, 64 bytes")
CONFIGURE = WINOGRAD.kernel("that sets the tile registers; 0 where there are none")
RELEASE = WINOGRAD.kernel("that releases the tile registers")
