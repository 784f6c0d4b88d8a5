"""A published version, loaded on a device: pictures or tensors in, arrays out. Free of any transport."""
