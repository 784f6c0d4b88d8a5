"""TensorFlow Serving's messages in the data plane's terms, and back."""
