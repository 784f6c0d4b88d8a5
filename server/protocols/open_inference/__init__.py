"""The Open Inference Protocol, version 2, as KServe and Triton speak it: what its gRPC and its HTTP form have in common.

``call`` is one inference; ``description`` is what the protocol says about server and models; ``tensors`` converts elements,
purely, and ``images`` finds out what a tensor of bytes means.
"""
