"""Where lowered graphs run: one file per device, found by entry point."""
