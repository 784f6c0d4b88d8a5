"""Fields of a frame's block in a record, as positions of int64 from the block's first."""

ORIGIN = 0
PIXEL = 1  # bytes from one pixel to the next
ROW = 2  # bytes from one row to the next
HEIGHT = 3
WIDTH = 4
CHANNELS = 5  # elements of a pixel
ABOVE = 6  # cells of the halo
LEFT = 7
BELOW = 8
RIGHT = 9
FILL = 10  # byte of the halo
FIELDS = 11
