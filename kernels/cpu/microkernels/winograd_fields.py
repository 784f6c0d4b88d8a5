"""Fields of a Winograd convolution's record, beside those that its matrix products and its epilogue read.

Products are made by the microkernels of ``conv2d`` with float32 results, whose "pixels" are patches here: they read
``PIXEL_STEP``, ``SEGMENTS``, ``SEGMENT_GROUPS``, ``SEGMENT_OFFSETS`` and ``OUTPUT_PIXEL`` of ``conv_fields``. The
epilogue reads its own. A *patch* is 4x4 pixels of the input and 2x2 of the result.
"""

SOURCE_PIXEL = 11  # bytes from one pixel of the input to the next
TAP_WEIGHT_BYTES = 12  # packed weights of one tap of a panel
PATCHES = 13  # of the whole image
PATCH_COLUMNS = 15
PATCH_CHUNK = 16  # patches of one item
LAST_TAP_WEIGHT_BYTES = 43  # of the last panel
TARGET_PIXEL = 45  # of the result's frame: bytes from one pixel to the next
TRANSFORMED = 29  # scratch of worker 0: quantized taps of the patches of an item, [tap][patch][channel]
THREAD_BYTES = 30  # scratch of a worker
TRANSFORMED_TAP = 32  # bytes from one tap to the next
PRODUCTS = 55  # bytes from TRANSFORMED to the products, float32 [tap][patch][channel of a panel]
PRODUCTS_TAP = 56
TRANSFORM = 57  # kernels
FINISH = 58  # of a full panel; then: of the last one
FINISH_LAST = 59
TAP_TABLE = 60  # address of int16 [tap][3][vector]: multipliers, zero points, what pixels' zero point adds
CHANNEL_BLOCKS = 62  # turns of the transform for one patch
TAP_PARAMETER_BYTES = (
    63  # parameters of one tap of all panels; what would be those of tap 16 is the float32 bias
)
# Of matrix tiles only, some in the place of what they do not use:
RELEASE = 5  # functions that release and set the tile registers; CONFIGURE is 0 where there are none
CONFIGURE = 41
KERNEL_HALF = 27  # for a group of half the patches; then: of the last panel
HALF_GROUP = (
    42  # so many patches or fewer are multiplied by the third and fourth KERNEL; 0 where there are none
)
CONFIGURATION = 61  # address of 64 bytes
