"""Where lowered graphs run: one file a device, found by entry point."""
