"""``python -m accelserve.server.cli``."""

from accelserve.server.cli import main

if __name__ == "__main__":
    main()
