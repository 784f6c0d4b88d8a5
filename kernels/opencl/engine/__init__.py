"""The engine: its constants, its descriptors and OpenCL sources, and what a segment or a bitstream made for it is."""
