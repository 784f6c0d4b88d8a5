"""Graph rewrites: one a file, its rule in the docstring. The pipeline alone knows their order."""
