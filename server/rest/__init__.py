"""The HTTP frontend: TensorFlow Serving's REST paths and bodies over the same data plane as gRPC.

``application`` lists the routes; ``json_tensors`` converts bodies, purely; ``errors`` derives HTTP codes from gRPC's;
``bodies`` reads requests within limits; ``listener`` owns the port.
"""
