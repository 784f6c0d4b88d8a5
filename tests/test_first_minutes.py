"""README's and docs/walkthrough.md's commands, run as they stand in a fresh virtual environment, as a newcomer would.

The clone is an unpacked sdist, so that this also holds the sdist to installing. Only the ports differ, and the time that
a start may take. The versions are those of requirements/constraints.txt. ACCELSERVE_WALKTHROUGH names other networks than the usual one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from tests.ports import held_ports

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WALKTHROUGH = (ROOT / "docs" / "walkthrough.md").read_text(encoding="utf-8")
NETWORKS = ("resnet50", "resnet152", "densenet121", "vgg16", "ssd300_vgg16")
# The five take their time; tests/models/test_full_size.py has all of them.
CHOSEN = os.environ.get("ACCELSERVE_WALKTHROUGH", "squeezenet1_1").split(",")
CLASSES = ("chelsea", "coffee")
PIECES = 24

BLOCK = re.compile(r"<!-- executed by tests/test_first_minutes\.py -->\n```(sh|python)\n(.*?)```", re.DOTALL)
END = "\nkill %1; wait %1\n"


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Someone with a clone and a shell; every script starts in the folder of the clone, in the environment made first."""

    clone: Path
    ports: Sequence[int]
    environment: Mapping[str, str]

    def run(self, script: str) -> str:
        """What a shell script prints; it ends at the first command that fails."""
        for usual, port in zip(("8500", "8501"), self.ports, strict=True):
            script = script.replace(usual, str(port))
        script = re.sub(r"--wait=\d+", "--wait=600", script)
        done = subprocess.run(
            ["bash", "-e", "-m", "-c", script],
            cwd=self.clone, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    folder = tmp_path_factory.mktemp("newcomer")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (archive,) = folder.glob("*.tar.gz")
    subprocess.run(["tar", "-C", str(folder), "-xf", str(archive)], check=True)
    with held_ports(2) as ports:
        yield Newcomer(folder / archive.name.removesuffix(".tar.gz"), ports, environment_of(folder, ports))


def environment_of(folder: Path, ports: Sequence[int]) -> Mapping[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))},
        "PATH": f"{Path(sys.executable).resolve().parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_CONSTRAINT": str(ROOT / "requirements" / "constraints.txt"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_COMPILE": "0",  # only what is imported is worth compiling; pip takes a word that is false for that
        "ACCELSERVE_OBJECT_CACHE": str(folder / "objects"),  # compiled by the newcomer's own numba, once
        "ACCELSERVE_HEALTHCHECK_ADDRESS": f"127.0.0.1:{ports[0]}",
        "ACCELSERVE_PREDICT_ADDRESS": f"127.0.0.1:{ports[0]}",
        "COLUMNS": "120",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_readme_runs_as_it_stands(newcomer: Newcomer) -> None:
    blocks = BLOCK.findall(README)
    assert [language for language, _ in blocks] == ["sh", "python", "python", "sh"]
    (_, screen), (_, client), (_, embedded), (_, http) = blocks
    check = "\nprint(f'{scores.shape} scores, {features.size} features')\n"
    names = "\nprint(' / '.join(best))\n"
    script = "\n".join(
        [screen, here("client.py", client + check), here("embedded.py", embedded + names), http, END]
    )
    printed = newcomer.run(script)
    assert (
        re.findall(r"^ (\w+)\.jpg +output_alias +n\d+ (.*?) +0\.", printed, re.MULTILINE) == sample_answers()
    )
    assert "(1000,) scores, 1000 features" in printed
    assert "n07920052 espresso / n02124075 Egyptian cat" in printed
    assert '"predictions"' in printed


def here(name: str, code: str) -> str:
    """Shell commands that write a program and run it."""
    return f"cat > {name} <<'END_OF_CODE'\n{code}END_OF_CODE\npython {name}\n"


def sample_answers() -> list[tuple[str, str]]:
    """Photograph and best class, as README shows them."""
    shown = re.findall(r"^ (\w+)\.jpg +output_alias +n\d+ (.*?) +0\.", README, re.MULTILINE)
    assert len(shown) == 4
    return shown


def test_the_base_install_is_the_client_alone(newcomer: Newcomer) -> None:
    """Judge: pip's own resolution."""
    report = newcomer.run(
        f"'{sys.executable}' -m pip install --quiet --dry-run --ignore-installed --no-build-isolation --report report.json . && cat report.json"
    )
    resolved = json.loads(report[report.index("{") :])["install"]
    names = {each["metadata"]["name"].lower().replace("_", "-") for each in resolved}
    assert names == {"accelserve", "grpcio", "numpy", "protobuf", "typing-extensions"}


def test_the_walkthrough_lists_the_five() -> None:
    assert tuple(re.findall(r"^\| `(\w+)` \| [a-z]", WALKTHROUGH, re.MULTILINE))[1:] == NETWORKS
    assert f"ACCELSERVE_WALKTHROUGH={','.join(NETWORKS)} " in WALKTHROUGH


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("network", CHOSEN)
def test_the_walkthrough_runs_as_it_stands(network: str, newcomer: Newcomer) -> None:
    (_, install), (_, first), (_, classes) = BLOCK.findall(WALKTHROUGH)
    detector = network.startswith("ssd")  # has no features, so none of its own classes
    cut_classes(newcomer.clone / network / "classes")
    enter = ". .venv-try/bin/activate\n" + install + f"\ncd {network}\n"
    printed = newcomer.run(enter + first.replace("network=resnet50", f"network={network}") + END)
    assert "worst first" in printed
    assert all(f"{name}.jpg" in printed for name in CLASSES)
    assert (newcomer.clone / network / f"{network}.png").stat().st_size > 10_000
    if detector:
        return
    again = f". .venv-try/bin/activate\ncd {network}\nnetwork={network}\n"
    printed = newcomer.run(again + classes + END)
    assert f"labels {', '.join(CLASSES)}" in printed
    # The best answer for each photograph stands beside its name.
    assert [name for name, best in re.findall(r"(\w+)\.jpg +\S+ +(\w+) ", printed) if name == best] == list(
        CLASSES
    )


def cut_classes(folder: Path) -> None:
    """Pieces of each photograph in a folder of its own, by which a head learns to tell them apart."""
    from accelserve.models.samples import write_sample_photographs

    for path in write_sample_photographs(folder.parent / "photographs"):
        if path.stem not in CLASSES:
            continue
        (folder / path.stem).mkdir(parents=True)
        with Image.open(path) as photograph:
            for piece in range(PIECES):
                left, top = piece % 6 * 40, piece // 6 * 25
                cut = photograph.crop((left, top, left + 200, top + 200))
                cut.save(folder / path.stem / f"{piece}.jpg", quality=92)
