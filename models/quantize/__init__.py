"""From a float network to a calibrated int8 one."""
