"""A frame: where a value's pixels lie, and the halo beside them. A block of other records."""

from accelserve.kernels.cpu.records.declaration import Record

FRAME = Record(__name__)

ORIGIN = FRAME.address("the first pixel")
PIXEL = FRAME.bytes("from one pixel to the next")
ROW = FRAME.bytes("from one row to the next")
HEIGHT = FRAME.count("rows")
WIDTH = FRAME.count("pixels of a row")
CHANNELS = FRAME.count("elements of a pixel")
ABOVE = FRAME.count("rows of the halo")
LEFT = FRAME.count("cells of the halo")
BELOW = FRAME.count("rows of the halo")
RIGHT = FRAME.count("cells of the halo")
FILL = FRAME.code("byte of the halo")
