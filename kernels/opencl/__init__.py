"""The OpenCL engine: an int8 accelerator in OpenCL C, what compiles graphs for it, and the process that runs them."""
