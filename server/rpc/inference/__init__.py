"""The Open Inference Protocol, version 2, as KServe and Triton speak it, over the same data plane.

``server.protocols.open_inference`` is what its gRPC and its HTTP form have in common; here are the methods.
"""
