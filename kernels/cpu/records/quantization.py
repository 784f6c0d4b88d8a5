"""Quantize and Dequantize."""

from accelserve.kernels.cpu.records.declaration import Record
from accelserve.kernels.cpu.records.elements import ELEMENTS

QUANTIZATION = Record(__name__, extends=ELEMENTS)

SCALES = QUANTIZATION.address("float32, one for every element of a pixel")
ZEROS = QUANTIZATION.address("int32, one for every element of a pixel")
LEAST = QUANTIZATION.code("least result")
GREATEST = QUANTIZATION.code("greatest result")
