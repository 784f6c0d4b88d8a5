"""Predictions for boards: cycles, resources and latency, before anybody waits hours for a bitstream."""
