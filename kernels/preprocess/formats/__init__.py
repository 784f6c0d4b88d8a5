"""One file per format: encoded bytes to the samples that TensorFlow's decoder gives, or one sentence why not.

Each reads the file's structure itself and leaves the compressed data to a library: the libraries' own readers are
stricter than TensorFlow's in some places and laxer in others.
"""
