"""The gRPC door: one file a method, thin shells over the data plane and the registry.

``service_table`` lists the methods; ``guard`` wraps each of them; ``status`` is the only place where errors become
codes; ``tensors`` converts messages, purely; ``listener`` owns the port.
"""
