"""Integer convolution: one file per way to compute it, chosen layer by layer."""
