"""A network that was compiled once is served without its graph, the compilers, or memory for either."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from accelserve.kernels.devices.auto import AutoDevice
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.devices.reference import ReferenceDevice
from accelserve.kernels.ir import Array
from accelserve.kernels.preprocess import PreprocessSpec
from accelserve.kernels.program import CachesPlans, LoadOptions
from accelserve.models.architectures import architecture, random_weights
from accelserve.models.conversion.convert import ConvertOptions, convert
from accelserve.models.errors import CorruptVersionError
from accelserve.models.repository import verify
from accelserve.models.serving.compile_apart import CompilingApart
from accelserve.models.serving.compiling import network_of
from accelserve.models.serving.servable import Servable
from tests.models.architectures.small import small

NAME, SIDE = "resnet50", 64
PHOTOGRAPHS = [Path(name) for name in load_sample_images().filenames]
SPEC = PreprocessSpec(
    resize="exact", resize_height=SIDE, resize_width=SIDE, interpolation="bilinear",
    crop_height=SIDE, crop_width=SIDE, color_order="RGB", mean=(128.0, 128.0, 128.0),
)  # fmt: skip


def published(folder: Path, seed: int) -> Path:
    """A version of a small network of the ResNet kind."""
    described, blueprint = architecture(NAME), small(NAME)
    weights = random_weights(blueprint, seed, pixel_scale=described.pixel_scale)
    source = folder / f"network-{seed}.onnx"
    source.write_bytes(blueprint.select(described.outputs).to_onnx(weights).SerializeToString())
    options = ConvertOptions(
        name="kept", repository=folder / "models", calibrate=PHOTOGRAPHS[0].parent, preprocess=SPEC
    )
    return convert(source, options).directory


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published(tmp_path_factory.mktemp("kept"), seed=0)


@pytest.fixture(scope="module")
def filled(version: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that another process filled."""
    cache = tmp_path_factory.mktemp("cache")
    counts: list[int] = []
    assert CompilingApart().compile(version, "cpu", LoadOptions(threads=2, cache=cache), counts.append)
    assert counts == list(range(1, len(counts) + 1))
    assert len(counts) == len(list((cache / "objects").glob("*.o"))) > 5
    return cache


@pytest.fixture
def copy(filled: Path, tmp_path: Path) -> Path:
    """A copy of the filled cache, to be damaged."""
    subprocess.run(["cp", "-r", str(filled), str(tmp_path / "cache")], check=True)
    return tmp_path / "cache"


def answers(servable: Servable) -> dict[str, Array]:
    return servable.run(servable.decode([photograph.read_bytes() for photograph in PHOTOGRAPHS]).complete())


@cache
def expected(version: Path) -> dict[str, Array]:
    with closing(Servable.load(version, device=ReferenceDevice())) as servable:
        return answers(servable)


def assert_answers(version: Path, cache: Path, threads: int = 2) -> None:
    options = LoadOptions(threads=threads, cache=cache)
    with closing(Servable.load(version, device=CpuDevice(), options=options, prepare=refuse)) as servable:
        for name, array in expected(version).items():
            np.testing.assert_array_equal(answers(servable)[name], array)


def refuse(_directory: Path, _options: LoadOptions) -> None:
    """Prepares nothing, as a process that could not be started."""


SERVE = """
    import sys
    from pathlib import Path
    from accelserve.kernels.program import LoadOptions
    from accelserve.kernels.devices.discovery import open_device
    from accelserve.models.serving.servable import Servable
    options = LoadOptions(threads=2, cache=Path(sys.argv[2]))
    servable = Servable.load(Path(sys.argv[1]), device=open_device("cpu"), options=options)
    servable.warm_up()
    compilers = {"numba", "onnx", "accelserve.models.importing", "accelserve.kernels.compiler.lower"}
    print(sorted(compilers & set(sys.modules)))
"""


@pytest.mark.usefixtures("compiles_itself")
def test_a_process_with_a_filled_cache_imports_no_compiler(version: Path, filled: Path) -> None:
    script = textwrap.dedent(SERVE)
    command = [sys.executable, "-c", script, str(version), str(filled)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout == "[]\n", done.stderr


def test_a_kept_plan_gives_the_reference_devices_bytes(version: Path, filled: Path) -> None:
    assert_answers(version, filled)


def test_a_plan_is_not_another_thread_counts_or_another_networks(version: Path, copy: Path) -> None:
    def plans() -> int:
        return len(list((copy / "plans").glob("*.json")))

    assert plans() == 1
    assert_answers(version, copy, threads=1)
    assert plans() == 2
    assert_answers(published(copy.parent, seed=1), copy)
    assert plans() == 3


@pytest.mark.parametrize(
    ("what", "damage"),
    [
        ("plans/*.json", "halved"),
        ("weights/*.bin", "gone"),
        ("objects/conv2d*.o", "gone"),
        ("objects/*launch*.o", "halved"),
    ],
)
def test_what_is_damaged_or_gone_is_made_again(version: Path, copy: Path, what: str, damage: str) -> None:
    for file in copy.glob(what):
        content = file.read_bytes()
        file.unlink()
        if damage == "halved":
            file.write_bytes(content[: len(content) // 2])
    assert_answers(version, copy)


def test_a_version_that_was_altered_is_refused_whatever_is_kept(version: Path, filled: Path) -> None:
    model = version / "model.onnx"
    content = model.read_bytes()
    model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        with pytest.raises(CorruptVersionError, match=r"model\.onnx has SHA-256"):
            Servable.load(version, device=CpuDevice(), options=LoadOptions(threads=2, cache=filled))
    finally:
        model.write_bytes(content)


def test_another_process_is_asked_once_to_compile_and_only_if_nothing_is_kept(
    version: Path, tmp_path: Path
) -> None:
    asked = []

    def prepare(directory: Path, options: LoadOptions) -> None:
        asked.append(directory)
        CompilingApart().compile(directory, "cpu", options, lambda _: None)

    options = LoadOptions(threads=2, cache=tmp_path)
    for _ in range(2):
        Servable.load(version, device=CpuDevice(), options=options, prepare=prepare).close()
    assert asked == [version]


def test_a_process_that_fails_leaves_it_to_the_caller(version: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    CompilingApart().compile(tmp_path / "nowhere", "cpu", LoadOptions(threads=2, cache=cache), lambda _: None)
    assert not (cache / "plans").exists()
    assert_answers(version, cache)


def test_the_cpu_keeps_plans_whoever_chose_it(version: Path, filled: Path) -> None:
    options = LoadOptions(threads=2, cache=filled)
    # To a device that chooses among boards and has none, every board is one that is not there.
    for device in (CpuDevice(), AutoDevice(kinds=())):
        assert isinstance(device, CachesPlans)
        assert device.caches_plans
        kept = device.load_cached(replace(options, network=network_of(verify(version))))
        assert kept is not None
        kept.program.close()
    assert not isinstance(ReferenceDevice(), CachesPlans)


RELOAD = """
    import gc, re, sys
    from pathlib import Path
    from accelserve.kernels.program import LoadOptions
    from accelserve.kernels.devices.discovery import open_device
    from accelserve.models.serving.servable import Servable

    def private_kb():
        return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

    device, options = open_device("cpu"), LoadOptions(threads=2, cache=Path(sys.argv[2]))
    for turn in range(60):
        if turn == 20:
            before = private_kb()
        servable = Servable.load(Path(sys.argv[1]), device=device, options=options)
        servable.warm_up()
        servable.close()
    print(private_kb() - before)
"""


def test_loading_and_unloading_leaves_nothing(version: Path, filled: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(RELOAD), str(version), str(filled)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    # A network's weights left behind 40 times would be 12 MB, its arenas 8 MB.
    assert int(done.stdout) < 2048
