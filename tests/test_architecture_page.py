"""The map names what is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
ROOMS = (
    "benchmarks",
    "clients",
    "deployment",
    "docs",
    "examples",
    "findings",
    "kernels",
    "models",
    "protos",
    "server",
    "tests",
)


def test_every_path_on_the_page_exists() -> None:
    quoted = re.findall(r"`([\w./]+)`", PAGE.read_text())
    paths = {each for each in quoted if "/" in each and each.partition("/")[0] in ROOMS}
    assert paths
    assert not {path for path in paths if not (ROOT / path).exists() and path != "findings/NAME.sh"}


def test_every_room_of_the_server_is_on_the_page() -> None:
    text = PAGE.read_text()
    rooms = [folder.name for folder in (ROOT / "server").iterdir() if (folder / "__init__.py").exists()]
    assert not [room for room in rooms if not re.search(rf"`(server/)?{room}`", text)]
