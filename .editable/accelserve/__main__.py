"""``python -m accelserve``."""

from accelserve.server.cli import main

if __name__ == "__main__":
    main()
