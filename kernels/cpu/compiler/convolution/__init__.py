"""Integer convolution: one file a way to compute it, chosen layer by layer."""
