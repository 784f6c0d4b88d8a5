"""The gRPC door: one file a method, thin shells over the data plane and the registry.

``service_table`` lists the methods; ``guard`` wraps each of them; ``listener`` owns the port. What requests mean is
the business of ``server.protocols``.
"""
