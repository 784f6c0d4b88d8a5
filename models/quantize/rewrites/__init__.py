"""Float rewrites, one a file; ``simplify`` has their order."""
