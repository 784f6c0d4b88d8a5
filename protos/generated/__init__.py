"""Written by accelserve.protos.compile."""
