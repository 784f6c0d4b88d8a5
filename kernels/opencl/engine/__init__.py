"""The engine itself: its constants, descriptors and OpenCL sources, and what a segment and a bitstream for it are."""
