"""What all integer convolutions have: operands, result, and how panels are cut into items.

A *segment* is a run of input bytes that lie side by side for one output pixel (a row of the window, or one tap), a *panel*
the output channels of one tile.
"""

from accelserve.kernels.cpu.records.declaration import Record
from accelserve.kernels.cpu.records.epilogue import EPILOGUE
from accelserve.kernels.cpu.records.frame import FRAME

CONVOLUTION = Record(__name__, extends=EPILOGUE)

INPUT = CONVOLUTION.address("window origin of output pixel (0, 0)")
PIXEL_STEP = CONVOLUTION.bytes("from one output pixel's window to the next, in the input")
ROW_STEP = CONVOLUTION.bytes("from one output row's first window to the next one's, in the input")
SEGMENTS = CONVOLUTION.count("of a window")
SEGMENT_BYTES = CONVOLUTION.bytes("of a segment that count; what is read beyond is multiplied by 0")
SEGMENT_GROUPS = CONVOLUTION.count("dot products per segment, divided by the unrolling")
SEGMENT_OFFSETS = CONVOLUTION.address("int64 [SEGMENTS], bytes from the window's origin")
WEIGHTS = CONVOLUTION.address("packed weights, panel by panel")
PANEL_BYTES = CONVOLUTION.bytes("of a panel's packed weights")
PARAMETERS = CONVOLUTION.address("int32 bias and float32 scale, panel by panel")
PARAMETER_BYTES = CONVOLUTION.bytes("of a panel's parameters")
PANELS = CONVOLUTION.count("of one group")
PANEL_CHANNELS = CONVOLUTION.count("output channels of a full panel")
GROUPS = CONVOLUTION.count("that channels are divided into")
GROUP_INPUT_BYTES = CONVOLUTION.bytes("from one group's input channels to the next one's")
GROUP_CHANNELS = CONVOLUTION.count("output channels of a group")
GROUP_WEIGHT_BYTES = CONVOLUTION.bytes("of a group's packed weights")
OUTPUT = CONVOLUTION.address("the first pixel of the result")
OUTPUT_PIXEL = CONVOLUTION.bytes("from one pixel of the result to the next")
OUTPUT_ROW = CONVOLUTION.bytes("from one row of the result to the next")
OUTPUT_BYTES = CONVOLUTION.bytes("of one element of the result")
RESIDUAL = CONVOLUTION.address("the first pixel of the residual")
RESIDUAL_PIXEL = CONVOLUTION.bytes("from one pixel of the residual to the next")
RESIDUAL_ROW = CONVOLUTION.bytes("from one row of the residual to the next")
TILE_CHUNK = CONVOLUTION.count("tiles of one item, counted through all rows")
PANEL_CHUNK = CONVOLUTION.count("panels of one item")
PANEL_ITEMS = CONVOLUTION.count("items that share the same tiles")
PANELS_OUTER = CONVOLUTION.count("1 where an item's tiles are its inner loop")
HALO = CONVOLUTION.block(FRAME, "the result's frame")
