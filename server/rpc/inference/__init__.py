"""The Open Inference Protocol, version 2, as KServe and Triton speak it, over the same data plane.

``call`` is what its gRPC and its HTTP form have in common; ``tensors`` converts elements, purely, and ``pictures``
finds out what a tensor of bytes means; the other files are the methods.
"""
