"""``--labels``: the name of a list that is shipped, or a file."""

from __future__ import annotations

from pathlib import Path

import click


def label_names(name_or_file: str | None) -> tuple[str, ...] | str:
    """The names that a file has, one a line; the name of a shipped list as it is; nothing for None.

    Raises:
        click.BadParameter: it is neither.
    """
    from accelserve.models.labels import LISTS

    if name_or_file is None or name_or_file in LISTS:
        return name_or_file or ()
    try:
        return tuple(Path(name_or_file).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise click.BadParameter(
            f"'{name_or_file}' is none of {', '.join(LISTS)}, and cannot be read as a file: {reason}",
            param_hint="--labels",
        ) from error
