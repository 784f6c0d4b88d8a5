"""What runs segments on a device: finding it, holding it, its own process, and programs that survive its faults."""
