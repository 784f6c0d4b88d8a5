"""One box with one device: a compose file for Docker or podman, and a systemd unit that runs the container by podman."""
