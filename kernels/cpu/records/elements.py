"""What steps on frames have that compute element by element, pixel by pixel or window by window."""

from accelserve.kernels.cpu.records.declaration import Record
from accelserve.kernels.cpu.records.epilogue import EPILOGUE
from accelserve.kernels.cpu.records.frame import FRAME

ELEMENTS = Record(__name__, extends=EPILOGUE)

TARGET = ELEMENTS.block(FRAME, "the result's frame")
SOURCE = ELEMENTS.block(FRAME, "the operand's frame")
ITEMS = ELEMENTS.count("that share the rows of the result")
KERNEL = ELEMENTS.kernel("for a row, or for pixels of the same window")
INPUT_ZERO = ELEMENTS.code("zero point of the operand")
