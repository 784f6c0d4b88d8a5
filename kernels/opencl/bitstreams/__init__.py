"""Builds bitstreams: by the board's offline compiler, or by a driver that compiles by itself."""
