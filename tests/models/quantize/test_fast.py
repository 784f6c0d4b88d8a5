"""Fast numerics of a trained network on real photographs: what is decided, and that the decision is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.cpu.microkernels.targets import INSTRUCTION_SETS
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.devices.reference import ReferenceDevice
from accelserve.kernels.ir import Graph
from accelserve.kernels.program import LoadOptions
from accelserve.kernels.reference.winograd import transformed_patches
from accelserve.models.conversion.convert import ConvertOptions, convert
from accelserve.models.conversion.features import with_features
from accelserve.models.errors import CalibrationError, CorruptVersionError
from accelserve.models.importing import export_onnx, import_onnx
from accelserve.models.quantize.fast import FastChoice, choose_fast, is_candidate, why_slower_on
from accelserve.models.quantize.quantizer import quantize
from accelserve.models.quantize.winograd_ranges import TapHistograms
from accelserve.models.repository import MANIFEST_FILE, read_manifest
from accelserve.models.repository.numerics import WINOGRAD, WINOGRAD_FILE, decode, read_winograd
from accelserve.models.repository.store import sha256_of
from accelserve.models.serving.servable import Servable
from tests.models.importing.trained import open_nsfw
from tests.models.quantize.photographs import CALIBRATION, EVALUATION, SPEC, calibration


@pytest.fixture(scope="module")
def graph() -> Graph:
    """As it would be loaded."""
    network = quantize(with_features(import_onnx(open_nsfw()).graph), [calibration()[:3]])
    return import_onnx(export_onnx(network.graph)).graph


@pytest.fixture(scope="module")
def everything(graph: Graph) -> FastChoice:
    return choose_fast(graph, [calibration()[:3]], budget=1.0)


def test_all_candidates_are_taken_if_the_budget_allows(graph: Graph, everything: FastChoice) -> None:
    exact = lower(graph).graph
    names = [node.name for node in exact if is_candidate(exact, node)]
    assert len(names) >= 5
    assert list(everything.taken) == names
    assert everything.pictures == 3
    assert 0.99 < everything.cosine < 1
    assert all(20 < layer.sqnr_db < 60 for layer in everything.layers)


def test_candidates_are_large_3x3_layers_at_stride_1(graph: Graph) -> None:
    exact = lower(graph).graph
    for node in exact:
        if is_candidate(exact, node):
            _, rows, columns, outputs = exact.type_of(node.output).shape
            assert exact.type_of(node.inputs[1]).shape[1:3] == (3, 3)
            assert exact.type_of(node.inputs[0]).shape[1:3] == (rows, columns)
            assert min(rows, columns) >= 14
            assert min(outputs, exact.type_of(node.inputs[0]).shape[3]) >= 64


def test_a_tight_budget_takes_the_cheapest_layers_and_keeps_it(graph: Graph, everything: FastChoice) -> None:
    # The first layer already costs most of it: one that rounds otherwise tips roundings all the way down.
    budget = (1 - everything.cosine) * 0.9
    tight = choose_fast(graph, [calibration()[:3]], budget)
    assert 1 - tight.cosine <= budget
    assert 0 < len(tight.taken) < len(everything.taken)
    taken = [layer.price for layer in tight.layers if layer.fast]
    left = [layer.price for layer in tight.layers if not layer.fast]
    assert max(taken) <= min(left)


def test_no_budget_takes_nothing(graph: Graph) -> None:
    nothing = choose_fast(graph, [calibration()[:1]], 0.0)
    assert nothing.taken == {}
    assert nothing.cosine == 1


def test_a_negative_budget_and_no_picture_are_refused(graph: Graph) -> None:
    with pytest.raises(CalibrationError, match="0 or more, got -1"):
        choose_fast(graph, [calibration()[:1]], -1)
    with pytest.raises(CalibrationError, match="no picture"):
        choose_fast(graph, [])


def test_histograms_count_what_the_reference_transforms() -> None:
    rng = np.random.default_rng(4)
    x = rng.integers(0, 256, (1, 7, 6, 3)).astype(np.uint8)
    histograms = TapHistograms((1, 1, 1, 1), 40)
    histograms.add(x)
    v = transformed_patches(x, (1, 1, 1, 1), 40).reshape(16, -1)
    for counts, tap in zip(histograms.counts, v, strict=True):
        np.testing.assert_array_equal(counts, np.bincount(tap + 1020, minlength=2041))


def test_rare_great_values_are_clamped_for_the_rest_s_sake() -> None:
    histograms = TapHistograms((0, 0, 0, 0), 0)
    histograms.counts[:, 1020 - 100 : 1020 + 101] = 10_000
    ordinary = histograms.taps()
    histograms.counts[:, 2 * 1020] = 1
    assert histograms.taps().multipliers[0] > 32768 * 254 / 1120
    assert ordinary.multipliers == (32767,) * 16


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory, code_cache: Path) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for path in CALIBRATION[:3]:
        shutil.copy(path, folder)
    options = ConvertOptions(
        name="nsfw",
        repository=tmp_path_factory.mktemp("models"),
        calibrate=folder,
        preprocess=SPEC,
        fast_budget=0.01,
        cache=code_cache,
    )
    return convert(open_nsfw(), options).directory


class TestPublished:
    def test_the_manifest_names_the_algorithm_of_each_layer(self, version: Path) -> None:
        manifest = read_manifest(version)
        assert set(manifest.numerics.values()) == {WINOGRAD}
        file = decode(version, (version / WINOGRAD_FILE).read_bytes())
        assert file.layers.keys() == manifest.numerics.keys()
        assert file.cosine >= 0.99
        assert WINOGRAD_FILE in manifest.files

    @pytest.fixture
    def photograph(self) -> bytes:
        return EVALUATION[0].read_bytes()

    def test_it_is_served_with_these_numerics_alike_on_every_device(
        self, version: Path, photograph: bytes, code_cache: Path
    ) -> None:
        features = []
        for device in (CpuDevice(), CpuDevice("generic"), ReferenceDevice()):
            servable = Servable.load(version, device=device, options=LoadOptions(cache=code_cache))
            features.append(servable.featurize([photograph]))
            servable.close()
        np.testing.assert_array_equal(features[0], features[1])
        np.testing.assert_array_equal(features[0], features[2])

    def test_its_features_are_near_the_exact_ones_and_other_ones(
        self, version: Path, photograph: bytes, tmp_path: Path, code_cache: Path
    ) -> None:
        exact = tmp_path / "nsfw" / "1"
        shutil.copytree(version, exact)
        content = json.loads((exact / MANIFEST_FILE).read_bytes())
        content["numerics"] = {}
        (exact / MANIFEST_FILE).write_text(json.dumps(content))
        found = []
        for directory in (version, exact):
            servable = Servable.load(directory, device=CpuDevice(), options=LoadOptions(cache=code_cache))
            found.append(servable.featurize([photograph]).ravel().astype(np.float64))
            servable.close()
        cosine = found[0] @ found[1] / np.linalg.norm(found[0]) / np.linalg.norm(found[1])
        assert 0.99 < cosine < 1

    @pytest.fixture
    def broken(self, version: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(version, tmp_path / "nsfw" / "1"))

    def change(self, directory: Path, **fields: object) -> None:
        content = json.loads((directory / MANIFEST_FILE).read_bytes())
        (directory / MANIFEST_FILE).write_text(json.dumps({**content, **fields}))

    def test_an_unknown_algorithm_is_refused(self, broken: Path) -> None:
        self.change(broken, numerics={"conv": "winograd-f4x4"})
        with pytest.raises(CorruptVersionError, match="its layers want winograd-f4x4"):
            Servable.load(broken, device=CpuDevice())

    def test_a_manifest_that_disagrees_with_the_file_is_refused(self, broken: Path) -> None:
        self.change(broken, numerics={"conv": WINOGRAD})
        with pytest.raises(CorruptVersionError, match="disagree on"):
            Servable.load(broken, device=CpuDevice())

    def test_a_file_that_nothing_records_is_refused(self, broken: Path) -> None:
        files = json.loads((broken / MANIFEST_FILE).read_bytes())["files"]
        del files[WINOGRAD_FILE]
        self.change(broken, files=files)
        with pytest.raises(CorruptVersionError, match=f"records no {WINOGRAD_FILE}"):
            Servable.load(broken, device=CpuDevice())

    @pytest.mark.parametrize(
        ("field", "value", "reason"),
        [
            ("multipliers", [0] * 16, "must be 16 numbers in 1..32767"),
            ("zero_points", [3], "must be 16 numbers in 0..255"),
            ("multipliers", ["many"] * 16, "Expected `int`"),
        ],
    )
    def test_numbers_out_of_range_are_refused(
        self, broken: Path, field: str, value: object, reason: str
    ) -> None:
        content = json.loads((broken / WINOGRAD_FILE).read_bytes())
        next(iter(content["layers"].values()))[field] = value
        data = json.dumps(content).encode()
        (broken / WINOGRAD_FILE).write_bytes(data)
        files = json.loads((broken / MANIFEST_FILE).read_bytes())["files"]
        files[WINOGRAD_FILE] = {"bytes": len(data), "sha256": sha256_of(data)}
        self.change(broken, files=files)
        with pytest.raises(CorruptVersionError, match=reason.replace(".", r"\.")):
            Servable.load(broken, device=CpuDevice())

    def test_altered_numbers_fail_their_hash(self, broken: Path) -> None:
        data = (broken / WINOGRAD_FILE).read_bytes()
        (broken / WINOGRAD_FILE).write_bytes(data.replace(b"0.", b"1.", 1))
        with pytest.raises(CorruptVersionError, match="SHA-256"):
            Servable.load(broken, device=CpuDevice())

    def test_without_numerics_the_file_is_not_read(self, version: Path) -> None:
        manifest = msgspec.structs.replace(read_manifest(version), numerics={})
        assert read_winograd(version, manifest) == {}


def test_where_exact_numerics_are_faster_it_says_so() -> None:
    """As measured (docs/numerics.md), on every instruction set of the table."""
    slower = {name for name, each in INSTRUCTION_SETS.items() if why_slower_on(each) is not None}
    assert slower == {"amx", "avx2", "generic"}
