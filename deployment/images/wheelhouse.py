"""The Python packages of an image, as wheels in its build context: the build itself then needs no network.

They are gathered by this environment's pip, so that its index, certificates and proxies hold, and in the versions that are
installed here, which are those that the user has tried.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution, distributions
from pathlib import Path
from urllib.parse import unquote, urlsplit

from accelserve.deployment.errors import PackagesError

_PROJECT = "accelserve"
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")


def gather(folder: Path, extras: Sequence[str], wheel: Path | None = None) -> None:
    """Put the wheels of accelserve with extras, of all that they need, and of pip into a folder.

    Args:
        folder: exists, and is empty.
        extras: of accelserve, ``server`` and more.
        wheel: of accelserve; if None, what is installed here: the checkout or the wheel that it was installed from, else
            the same version of an index.

    Raises:
        PackagesError: pip is missing, or fails; its last line is in the message.
    """
    with tempfile.TemporaryDirectory() as scratch:
        own = wheel or _installed_from(Path(scratch))
        named = f"{_PROJECT}[{','.join(extras)}]"
        wanted = (
            f"{named}=={distribution(_PROJECT).version}"
            if own is None
            else f"{named} @ {own.resolve().as_uri()}"
        )
        constraints = Path(scratch, "constraints.txt")
        constraints.write_text("".join(f"{line}\n" for line in _installed_versions()), encoding="utf-8")
        _pip(
            "download", "--quiet", "--only-binary=:all:", "--dest", str(folder), "--constraint", str(constraints), wanted, "pip"
        )  # fmt: skip


def take(source: Path, folder: Path) -> None:
    """Link or copy the wheels of a folder that were gathered before, for a machine without an index.

    Raises:
        PackagesError: it lacks accelserve's or pip's.
    """
    wheels = sorted(source.glob("*.whl"))
    for project in (_PROJECT, "pip"):
        if not any(each.name.startswith(f"{project}-") for each in wheels):
            raise PackagesError(f"{source} has no wheel of {project}; 'pip download' gathers them")
    for each in wheels:
        (folder / each.name).write_bytes(each.read_bytes())


def _installed_from(scratch: Path) -> Path | None:
    """A wheel of what is installed; None if it came from an index."""
    try:
        installed = distribution(_PROJECT)
    except PackageNotFoundError as error:
        raise PackagesError("accelserve is not installed here; name a wheel of it with --wheel") from error
    record = installed.read_text("direct_url.json")
    url = urlsplit(json.loads(record)["url"]) if record else None
    if url is None or url.scheme != "file":
        return None
    path = Path(unquote(url.path))
    if path.suffix == ".whl":
        return path if path.exists() else None
    _pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(scratch), str(path))
    (built,) = scratch.glob("*.whl")
    return built


def _installed_versions() -> Iterator[str]:
    for each in distributions():
        name = each.metadata["Name"]
        # A local version, torch's +cpu for example, is on no common index; we ourselves are named by a file.
        if name and name != _PROJECT and "+" not in each.version and not each.read_text("direct_url.json"):
            yield f"{name}=={each.version}"


def _pip(*arguments: str) -> None:
    done = subprocess.run([*_PIP, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - our own pip
    if done.returncode == 0:
        return
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.lstrip().startswith("ERROR:")]
    reason = (errors or lines or [f"exit code {done.returncode}"])[-1].strip()
    raise PackagesError(
        f"the image's packages cannot be gathered by pip: {reason}; --wheels takes a folder of them"
    )
