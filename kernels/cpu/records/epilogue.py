"""What the epilogues of all microkernels read: how sums become stored integers. Each integer operator's record extends it."""

from accelserve.kernels.cpu.records.declaration import Record

EPILOGUE = Record(__name__)

LOW = EPILOGUE.float32("least result, less the zero point")
HIGH = EPILOGUE.float32("greatest result, less the zero point")
ZERO_POINT = EPILOGUE.code("of the result")
LOW_BYTE = EPILOGUE.code("least result")
HIGH_BYTE = EPILOGUE.code("greatest result")
MID_LOW = EPILOGUE.float32("least intermediate, less its zero point")
MID_HIGH = EPILOGUE.float32("greatest intermediate, less its zero point")
MID_MULTIPLIER = EPILOGUE.float32("of the intermediate")
RESIDUAL_ZERO = EPILOGUE.code("zero point of the residual")
RESIDUAL_MULTIPLIER = EPILOGUE.float32("of the residual")
