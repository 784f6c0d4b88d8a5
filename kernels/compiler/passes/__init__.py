"""Graph rewrites: one per file, its rules in the docstring. Only the pipeline knows their order."""
