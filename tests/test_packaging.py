"""What a wheel and an sdist hold, what an index page shows, and what the base install asks for."""

from __future__ import annotations

import email
import email.message
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
REPOSITORY = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"]
BASE = {"grpcio", "protobuf", "numpy"}


def build(kind: str, tree: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (built,) = folder.glob({"wheel": "*.whl", "sdist": "*.tar.gz"}[kind])
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def unpacked(sdist: Path) -> Path:
    """The sdist's own folder, links of an editable install not yet made."""
    subprocess.run(["tar", "-C", str(sdist.parent), "-xf", str(sdist)], check=True)
    return sdist.parent / sdist.name.removesuffix(".tar.gz")


def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_every_room_is_under_one_name(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"accelserve"}
    inside = {name.split("/")[1] for name in names if name.startswith("accelserve/")}
    rooms = {"client", "deployment", "kernels", "loadgen", "models", "protos", "server"}
    assert inside == rooms | {"__init__.py", "__main__.py", "py.typed"}


def test_what_is_no_python_is_there_too(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    rooms = ("server", "kernels", "models", "protos", "clients/python", "loadgen", "deployment")
    files = [path for room in rooms for path in (ROOT / room).rglob("*") if path.is_file()]
    data = [
        str(path.relative_to(ROOT))
        for path in files
        if path.suffix != ".py" and "__pycache__" not in path.parts
    ]
    assert data
    missing = [n for n in data if f"accelserve/{n.replace('clients/python', 'client')}" not in names]
    assert missing == []


def test_the_base_install_is_the_client_alone(wheel: Path) -> None:
    required = [line for line in metadata(wheel).get_all("Requires-Dist", []) if "extra ==" not in line]
    assert {re.split(r"[^A-Za-z0-9-]", line)[0] for line in required} == BASE


def test_the_client_of_a_wheel_imports_only_what_the_base_install_brings(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = """
import sys
from pathlib import Path
import accelserve
accelserve.PredictionClient
assert Path(accelserve.__file__).is_relative_to(Path(sys.argv[1])), accelserve.__file__
assert Path(accelserve.client.__file__).is_relative_to(Path(sys.argv[1])), accelserve.client.__file__
heavy = {"numba", "onnx", "PIL", "click", "simplejpeg", "rich", "msgspec", "tensorflow"} & set(sys.modules)
assert not heavy, heavy
"""
    # The extracted wheel comes first on the path, before this tree's own editable install.
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_index_page_can_show_both(wheel: Path, sdist: Path) -> None:
    """Judge: twine, which renders README as the Python Package Index does."""
    command = [sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_link_of_the_index_page_leads_somewhere(wheel: Path) -> None:
    text = metadata(wheel).get_payload()
    assert isinstance(text, str)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(targets) > 20
    inside = [re.match(rf"{re.escape(REPOSITORY)}/(blob|raw)/main/([^#]+)", target) for target in targets]
    missing = [found[2] for found in inside if found and not (ROOT / found[2]).exists()]
    elsewhere = [t for t, found in zip(targets, inside, strict=True) if not found and "://" not in t]
    assert (missing, elsewhere) == ([], [])
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert pictures
    assert all(picture.startswith(f"{REPOSITORY}/raw/") for picture in pictures)


def test_the_package_says_where_it_comes_from_and_what_it_is(wheel: Path) -> None:
    message = metadata(wheel)
    urls = dict(line.split(", ") for line in message.get_all("Project-URL", []))
    assert urls["Repository"] == REPOSITORY
    assert {"Documentation", "Changelog", "Issues", "Security"} <= urls.keys()
    assert message["Author"]
    assert message["Keywords"]
    assert message["License-Expression"].startswith("Apache-2.0")
    assert message.get_all("License-File") == ["LICENSE", "models/samples/LICENSES.txt"]


def test_the_address_is_in_one_place() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert text.count(REPOSITORY) == 1
    assert REPOSITORY not in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_clients_of_both_languages_have_one_version() -> None:
    props = (ROOT / "clients" / "csharp" / "Directory.Build.props").read_text(encoding="utf-8")
    assert re.findall(r"<Version>(.*)</Version>", props) == [PROJECT["project"]["version"]]


def test_an_sdist_builds_the_same_wheel(wheel: Path, unpacked: Path, tmp_path: Path) -> None:
    again = build("wheel", unpacked, tmp_path)
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert second.namelist() == first.namelist()
        assert [n for n in first.namelist() if first.read(n) != second.read(n)] == []


def test_an_sdist_runs_its_own_tests(unpacked: Path, tmp_path: Path) -> None:
    """An editable install of the unpacked sdist, into a folder beside it, and a part of its tests by that."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*install, "--target", str(tmp_path), "--editable", "."],
        cwd=unpacked,
        check=True,
        capture_output=True,
    )
    links = [
        {
            path.name: path.readlink()
            for path in (tree / ".editable" / "accelserve").iterdir()
            if path.is_symlink()
        }
        for tree in (ROOT, unpacked)
    ]
    assert links[0] == links[1]
    program = """
import site, sys
sys.path[:] = [path for path in sys.path if not path.endswith(".editable")]
site.addsitedir(sys.argv[1])
import accelserve, pytest
assert accelserve.__file__.startswith(sys.argv[2]), accelserve.__file__
sys.exit(pytest.main(sys.argv[3:]))
"""
    tests = [
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/protos",
        "tests/models/test_labels.py",
        "tests/models/test_samples.py",
    ]
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), str(unpacked), *tests],
        cwd=unpacked, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d\d passed", done.stdout)
