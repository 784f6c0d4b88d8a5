"""What the protocols say, free of their transports: gRPC and HTTP are two thin frontends of it, independent of each other.

``tensorflow_serving`` and ``open_inference`` turn messages into the data plane's terms and back; ``status`` is the table of
errors and codes.
"""
