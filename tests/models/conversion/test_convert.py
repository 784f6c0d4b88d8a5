"""From a trained file and photographs to a published version; nothing is published when anything is wrong."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.devices.reference import ReferenceDevice
from accelserve.kernels.errors import UnsupportedNodesError
from accelserve.kernels.preprocess import PreprocessSpec, preprocess_float
from accelserve.kernels.program import Device, LoadOptions
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.conversion.convert import Converted, ConvertOptions, convert
from accelserve.models.conversion.source import PREPROCESS_KEY
from accelserve.models.errors import (
    CalibrationError,
    ConversionError,
    ModelError,
    ModelFileError,
    ModelNameError,
)
from accelserve.models.importing import export_onnx, import_onnx
from accelserve.models.quantize.quantizer import QuantizeOptions, quantize
from accelserve.models.repository import MODEL_FILE, Manifest, TensorSpec, list_models, read_manifest, verify
from accelserve.models.serving.servable import Servable
from tests.models.importing.onnx_models import floats, node, onnx_file, session
from tests.models.importing.trained import open_nsfw
from tests.models.quantize.photographs import CALIBRATION, SPEC, evaluation

SMALL = PreprocessSpec(
    resize="exact", resize_height=8, resize_width=8, interpolation="bilinear",
    crop_height=8, crop_width=8, color_order="RGB", mean=(120.0, 110.0, 100.0), scale=(0.02, 0.02, 0.02),
)  # fmt: skip


def small_network(outputs: tuple[str, ...] = ("probabilities",)) -> bytes:
    return onnx_file(
        [
            node("Conv", "input w1 b1", "c", pads=[1, 1, 1, 1]),
            node("Relu", "c", "r"),
            node("GlobalAveragePool", "r", "p"),
            node("Flatten", "p", "f"),
            node("Gemm", "f w2 b2", "logits", transB=1),
            node("Softmax", "logits", "probabilities"),
        ],
        {"input": ("N", 3, 8, 8)},
        outputs,
        {"w1": floats(6, 3, 3, 3), "b1": floats(6), "w2": floats(4, 6), "b2": floats(4)},
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "small.onnx"
    path.write_bytes(small_network())
    return path


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for path in CALIBRATION[:3]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def options(tmp_path: Path, photographs: Path, code_cache: Path) -> ConvertOptions:
    return ConvertOptions(
        name="small",
        repository=tmp_path / "models",
        calibrate=photographs,
        preprocess=SMALL,
        cache=code_cache,
    )


def changed(options: ConvertOptions, **fields: object) -> ConvertOptions:
    values = {name: getattr(options, name) for name in options.__dataclass_fields__}
    return ConvertOptions(**(values | fields))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, code_cache: Path) -> Converted:
    folder = tmp_path_factory.mktemp("photographs")
    for path in CALIBRATION[:4]:
        shutil.copy(path, folder)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no jpeg")
    options = ConvertOptions(
        name="open_nsfw",
        repository=tmp_path_factory.mktemp("models"),
        calibrate=folder,
        preprocess=SPEC,
        labels=("sfw", "nsfw"),
        tags={"team": "moderation"},
        cache=code_cache,
    )
    return convert(open_nsfw(), options)


class TestTrainedNetwork:
    def test_it_is_published_whole(self, trained: Converted) -> None:
        assert trained.directory.name == "1"
        assert trained.directory.parent.name == "open_nsfw"
        assert verify(trained.directory).name == "open_nsfw"

    def test_signatures_have_the_names_that_clients_expect(self, trained: Converted) -> None:
        signatures = read_manifest(trained.directory).signatures
        serving, features = signatures["serving_default"], signatures["features"]
        assert serving.inputs == {"images": TensorSpec(name="input:0", dtype="string", shape=(-1,))}
        assert serving.outputs == {
            "output_alias": TensorSpec(name="outputs:0", dtype="float32", shape=(-1, 2))
        }
        assert features.inputs == serving.inputs
        assert features.outputs == {
            "features": TensorSpec(name="features:0", dtype="float32", shape=(-1, 1, 1, 1024))
        }

    def test_the_manifest_says_where_it_comes_from(self, trained: Converted) -> None:
        manifest = read_manifest(trained.directory)
        provenance = manifest.provenance
        assert provenance.source == "open-nsfw.onnx"
        assert provenance.source_sha256 == hashlib.sha256(open_nsfw().read_bytes()).hexdigest()
        assert provenance.tool.startswith("accelserve ")
        assert provenance.opset == 17
        assert provenance.calibration is not None
        assert (provenance.calibration.method, provenance.calibration.images) == ("mse", 4)
        assert manifest.labels == ("sfw", "nsfw")
        assert manifest.tags == {"team": "moderation"}
        assert manifest.preprocess == json.loads(json.dumps(SPEC.to_json()))

    def test_an_unusable_picture_is_reported(self, trained: Converted) -> None:
        assert [path.name for path, _ in trained.skipped] == ["broken.jpg"]
        assert not trained.synthetic

    def test_the_published_network_scores_like_the_trained_one(self, trained: Converted) -> None:
        published = import_onnx(trained.directory / MODEL_FILE).graph
        original = import_onnx(open_nsfw()).graph
        feeds = {"input:0": evaluation()[:1]}
        # The order of float32 sums is far below the bound, and the reference's own takes a hundred times as long.
        found, wanted = (evaluate(graph, feeds, any_order=True)["outputs"] for graph in (published, original))
        assert np.abs(found - wanted).max() < 0.01


def test_the_next_conversion_is_the_next_version(source: Path, options: ConvertOptions) -> None:
    assert convert(source, options).directory.name == "1"
    assert convert(source, options).directory.name == "2"
    assert convert(source, changed(options, version=7)).manifest.version == 7


def test_several_outputs_keep_their_names(tmp_path: Path, options: ConvertOptions) -> None:
    path = tmp_path / "two.onnx"
    path.write_bytes(small_network(("probabilities", "logits")))
    outputs = convert(path, options).manifest.signatures["serving_default"].outputs
    assert {alias: spec.name for alias, spec in outputs.items()} == {
        "probabilities": "probabilities:0",
        "logits": "logits:0",
    }


def test_progress_counts_pictures(source: Path, options: ConvertOptions) -> None:
    seen: list[tuple[int, int]] = []
    convert(source, options, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_without_photographs_pictures_are_generated_and_the_manifest_says_so(
    source: Path, options: ConvertOptions
) -> None:
    converted = convert(source, changed(options, calibrate=None))
    assert converted.synthetic
    calibration = converted.manifest.provenance.calibration
    assert calibration is not None
    assert calibration.method == "mse, generated pictures"


def test_the_file_may_bring_its_preprocessing(tmp_path: Path, options: ConvertOptions) -> None:
    model = onnx.ModelProto.FromString(small_network())
    onnx.helper.set_model_props(model, {PREPROCESS_KEY: json.dumps(SMALL.to_json())})
    path = tmp_path / "described.onnx"
    path.write_bytes(model.SerializeToString())
    assert convert(path, changed(options, preprocess=None)).manifest.preprocess == SMALL.to_json()


def test_a_network_that_came_quantized_is_published_as_it_is(tmp_path: Path, options: ConvertOptions) -> None:
    graph = quantize(import_onnx(small_network()).graph, [floats(4, 8, 8, 3)]).graph
    path = tmp_path / "quantized.onnx"
    path.write_bytes(export_onnx(graph))
    converted = convert(path, changed(options, calibrate=None, preprocess=None))
    assert converted.network is None
    assert converted.manifest.provenance.calibration is None
    assert converted.manifest.preprocess is None
    images = converted.manifest.signatures["serving_default"].inputs["images"]
    assert (images.dtype, images.shape) == ("float32", (-1, 8, 8, 3))
    feeds = {"input": floats(1, 8, 8, 3, seed=3)}
    found = evaluate(import_onnx(converted.directory / MODEL_FILE).graph, feeds)
    np.testing.assert_array_equal(found["probabilities"], evaluate(graph, feeds)["probabilities"])


def unsupported() -> bytes:
    nodes = [node("Det", "x", "d"), node("NonZero", "x", "n"), node("Add", "d n", "y")]
    return onnx_file(nodes, {"x": (1, 3, 8, 8)}, ["y"])


FAILURES: dict[str, tuple[bytes, dict[str, object], type[Exception], str]] = {
    "truncated file": (small_network()[:-30], {}, ModelFileError, "is not an ONNX file, or is truncated"),
    "operators without kernels": (unsupported(), {}, UnsupportedNodesError, r"Det-d \(Det\), NonZero-n \(NonZero\)"),
    "a name that is none": (small_network(), {"name": "../small"}, ModelNameError, "is no model name"),
    "preprocessing of another size": (
        small_network(), {"preprocess": SPEC}, ConversionError,
        r"makes pictures of \[224, 224, 3\] but the network reads \[8, 8, 3\]",
    ),
    "no preprocessing": (small_network(), {"preprocess": None}, ConversionError, "give --preprocess"),
    "labels of another number": (small_network(), {"labels": ("cat",)}, ConversionError, "1 labels for an output of 4"),
    "a node to keep that is not there": (
        small_network(), {"quantize": QuantizeOptions(keep_float=frozenset(["stem"]))}, CalibrationError, "stem",
    ),
    "several inputs": (
        onnx_file([node("Add", "a b", "y")], {"a": (1, 8, 8, 3), "b": (1, 8, 8, 3)}, ["y"]), {}, ConversionError,
        "expected one image input",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_nothing_is_left_when_it_fails(name: str, tmp_path: Path, options: ConvertOptions) -> None:
    content, fields, error, sentence = FAILURES[name]
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(error, match=sentence):
        convert(path, changed(options, **fields))
    assert list_models(options.repository) == []
    assert not list(options.repository.rglob("*.onnx"))


def test_a_folder_without_usable_pictures_is_an_error(
    source: Path, tmp_path: Path, options: ConvertOptions
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="there is no image to calibrate on"):
        convert(source, changed(options, calibrate=folder))
    assert list_models(options.repository) == []


def test_a_published_manifest_is_what_was_returned(source: Path, options: ConvertOptions) -> None:
    converted = convert(source, options)
    published: Manifest = read_manifest(converted.directory)
    assert published.signatures == converted.manifest.signatures
    assert published.provenance == converted.manifest.provenance
    assert set(published.files) == {MODEL_FILE}


GREY = PreprocessSpec(
    resize="exact", resize_height=8, resize_width=8, interpolation="bilinear",
    crop_height=8, crop_width=8, color_order="GRAY", mean=(110.0,), scale=(0.02,),
)  # fmt: skip


def grey_network(path: Path) -> Path:
    nodes = [
        node("Conv", "input w", "c", pads=[1, 1, 1, 1]),
        node("Relu", "c", "r"),
        node("Conv", "r v", "y"),
    ]
    constants = {"w": floats(16, 1, 3, 3), "v": floats(4, 16, 1, 1, seed=1)}
    path.write_bytes(onnx_file(nodes, {"input": ("N", 1, 8, 8)}, ["y"], constants))
    return path


@pytest.mark.parametrize("device", [CpuDevice(), ReferenceDevice()], ids=["cpu", "reference"])
def test_a_network_that_reads_grey_is_served(
    device: Device, tmp_path: Path, options: ConvertOptions, photographs: Path
) -> None:
    """The judge is onnxruntime on the float file, fed grey that a test of its own compares with TensorFlow's."""
    source = grey_network(tmp_path / "grey.onnx")
    version = convert(source, changed(options, preprocess=GREY)).directory
    pictures = [path.read_bytes() for path in sorted(photographs.iterdir())]
    images = np.stack([preprocess_float(GREY, picture) for picture in pictures])
    (wanted,) = session(source.read_bytes()).run(None, {"input": images.transpose(0, 3, 1, 2)})
    servable = Servable.load(version, device=device, options=LoadOptions(cache=options.cache))
    try:
        servable.warm_up()
        assert servable.input_shape == (8, 8, 1)
        (found,) = servable.run(servable.decode(pictures).complete()).values()
        (again,) = servable.run(servable.quantize(images)).values()
    finally:
        servable.close()
    np.testing.assert_array_equal(found, again)
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.995


def test_grey_and_colour_are_not_mixed_up(tmp_path: Path, options: ConvertOptions, source: Path) -> None:
    with pytest.raises(ConversionError, match=r'set "color_order" to "GRAY", and one number'):
        convert(grey_network(tmp_path / "grey.onnx"), options)
    with pytest.raises(ConversionError, match=r'this one needs "RGB" or "BGR"'):
        convert(source, changed(options, preprocess=GREY))
