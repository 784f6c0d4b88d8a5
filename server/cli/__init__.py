"""The ``accelserve`` command: one file a command, imported only when it is asked for."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; the exit code is 0, 1 for a failure and 2 for wrong usage. One line an error, no traces."""
    try:
        from accelserve.server.cli.group import run
    except ModuleNotFoundError as error:
        sys.exit(
            f"accelserve: the package '{error.name}' is missing; install the command line with "
            "pip install 'accelserve[server]'"
        )
    except KeyboardInterrupt:  # later ones are the command's
        sys.exit(_INTERRUPTED)
    sys.exit(run(sys.argv[1:], process_ends=True))
