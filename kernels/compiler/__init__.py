"""From a quantized graph to a plan that a device can run."""
