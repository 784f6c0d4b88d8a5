"""From a quantised graph to a plan that a device can run."""
