"""Worked examples; every one is executed by a test or by make."""
