"""The HTTP door: TensorFlow Serving's REST paths and bodies over the same data plane as gRPC."""
