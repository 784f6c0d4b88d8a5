"""TensorFlow Serving's configuration files, text-format protobuf, to our own terms; and the watch over their changes."""
