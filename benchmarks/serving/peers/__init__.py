"""The servers that ours is compared with, each run by the interpreter of its own environment.

They are what a good team writes in an afternoon with what a framework's documentation recommends, and import nothing of
this project: only ``task``, ``pictures`` and ``tf_serving`` beside them, and the descriptors of TensorFlow Serving's
messages as a file. ``python -m benchmarks.serving.peers.NAME JSON`` serves until it is told to end; JSON is a ``Task``.
"""
