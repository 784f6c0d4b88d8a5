"""Predictions for boards: cycles, resources and latency, before waiting hours for a bitstream."""
