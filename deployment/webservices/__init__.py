"""Services that run on this machine: an image in a container, or its model in a plain server process."""
