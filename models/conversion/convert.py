"""From a trained network's file to a published servable: import, calibrate, quantize, describe, prove, publish."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.ir import Graph, Quantize, TensorType
from accelserve.kernels.preprocess import PreprocessSpec
from accelserve.models.conversion.architecture_facts import class_labels, detection_preset, preparation_note
from accelserve.models.conversion.features import with_features
from accelserve.models.conversion.network_input import checked_input
from accelserve.models.conversion.network_outputs import check_outputs
from accelserve.models.conversion.proof import prove
from accelserve.models.conversion.source import PREPROCESS_KEY
from accelserve.models.detection import DetectionStage, detection_document, detection_stage
from accelserve.models.errors import ConversionError
from accelserve.models.importing import ImportedModel, ImportOptions, export_onnx, import_onnx
from accelserve.models.importing.onnx_exporter import OPSET
from accelserve.models.quantize.fast import FastChoice, choose_fast
from accelserve.models.quantize.pictures import SYNTHETIC_COUNT, Pictures, synthetic
from accelserve.models.quantize.quantizer import Quantized, QuantizeOptions, quantize
from accelserve.models.quantize.simplify import simplify
from accelserve.models.repository import (
    FEATURES,
    MODEL_FILE,
    SERVING_DEFAULT,
    Calibration,
    Manifest,
    Provenance,
    Signature,
    TensorSpec,
    check_destination,
    publish,
    tensor_name,
)
from accelserve.models.repository.numerics import (
    WINOGRAD_FILE,
    WinogradFile,
    WinogradLayer,
    encode,
    numerics_of,
)

INPUT_ALIAS = "images"
OUTPUT_ALIAS = "output_alias"

Progress = Callable[[int, int], None]
"""Called with the number of calibration images seen so far, and of all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions:
    """What the servable shall be.

    Attributes:
        name: of the model.
        repository: where it is published.
        version: a number, or None for the next one.
        calibrate: folder of photographs like those that will be served; None generates pictures, which costs accuracy.
        calibrate_limit: most pictures that are used, evenly spread over the folder.
        preprocess: how pictures become the network's input; None takes what the file's own metadata says, and without
            that publishes a network that is fed tensors.
        quantize: method and exceptions.
        labels: names of the classes, in order, or the name of a list in ``models.labels``; empty takes the architecture's, if the number of classes is its.
        tags: free text by name.
        detection: what decodes a detector's outputs, as ``detection_document`` gives it; None takes what the
            architecture says that the file's metadata names.
        input_shapes: shapes that the file leaves open.
        fast_budget: None publishes exact numerics, the QDQ file's own arithmetic; a number lets 3x3 layers compute in
            the Winograd domain, as many as keep the cosine of the features this near to 1 (``choose_fast``).
        cache: where servers of this machine keep plans, packed weights and compiled code, so that they find there what
            the proof before publication compiled; None keeps nothing.
    """

    name: str
    repository: Path
    version: int | None = None
    calibrate: Path | None = None
    calibrate_limit: int = 256
    preprocess: PreprocessSpec | None = None
    quantize: QuantizeOptions = field(default_factory=QuantizeOptions)
    labels: tuple[str, ...] | str = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    detection: Mapping[str, Any] | None = None
    input_shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    fast_budget: float | None = None
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion made.

    Attributes:
        directory: the published version.
        manifest: as published, file records left out.
        network: float and quantized graphs; None if the file came quantized.
        synthetic: whether generated pictures calibrated it, for want of photographs.
        skipped: (file, reason) of pictures that could not be used.
        fast: what was decided about fast numerics; None if exact ones were asked for.
        notes: sentences about what nobody asked for and was decided: preprocessing, labels.
    """

    directory: Path
    manifest: Manifest
    network: Quantized | None
    synthetic: bool
    skipped: tuple[tuple[Path, str], ...]
    fast: FastChoice | None = None
    notes: tuple[str, ...] = ()


def convert(
    source: Path,
    options: ConvertOptions,
    progress: Progress | None = None,
    proving: Callable[[], object] | None = None,
) -> Converted:
    """Convert an ONNX file; see ``convert_imported``, which has the other errors.

    Raises:
        ModelFileError: the file cannot be read as a network.
        UnsupportedNodesError: it has operators that no kernel implements, all of them named.
    """
    check_destination(options.repository, options.name)
    imported = import_onnx(source, ImportOptions(input_shapes=options.input_shapes))
    return convert_imported(imported, source.name, options, progress, proving)


def convert_imported(
    imported: ImportedModel,
    source_name: str,
    options: ConvertOptions,
    progress: Progress | None = None,
    proving: Callable[[], object] | None = None,
) -> Converted:
    """Quantize a network, prove that it loads and answers as the reference does (``prove``), and publish it.

    Nothing is left in the repository if anything fails.

    Args:
        imported: the network.
        source_name: file name for the manifest, without folders.
        options: what the servable shall be.
        progress: told about calibration.
        proving: called before the network is compiled and compared, which can take a while.

    Raises:
        ConversionError: preprocessing, labels, detection and network do not fit together, an output has no batch in
            front, or the CPU does not answer as the reference does.
        UnsupportedNodesError: the CPU lacks an operator, or a form of it.
        DetectionSpecError: the description of detection breaks a rule.
        CalibrationError: no usable picture, or activations that are not finite.
        RepositoryError: the name is not allowed, or the file system refuses.
    """
    check_destination(options.repository, options.name)
    spec = options.preprocess or _own_preprocessing(imported)
    kind = checked_input(imported, spec)
    check_outputs(imported)
    stage = _detection(imported, spec, options)
    labels, labels_note = _labels(imported, stage, options)
    preparation = None if options.preprocess else preparation_note(imported.metadata)
    pictures = _pictures(options)
    network = None
    if any(isinstance(node.op, Quantize) for node in imported.graph):
        graph = with_features(imported.graph)
    else:
        batches, total = _batches(pictures, spec, options)
        report = None if progress is None else lambda done: progress(done, total)
        network = quantize(with_features(simplify(imported.graph)), batches, options.quantize, report)
        graph = network.graph
    content = export_onnx(graph)
    published_graph = import_onnx(content).graph
    fast = None
    if options.fast_budget is not None:
        fast = choose_fast(published_graph, _batches(pictures, spec, options)[0], options.fast_budget)
    winograd = winograd_file(fast)
    files = (
        {MODEL_FILE: content} if winograd is None else {MODEL_FILE: content, WINOGRAD_FILE: encode(winograd)}
    )
    raw = signatures(graph, kind, takes_pictures=spec is not None)
    manifest = Manifest(
        name=options.name,
        version=1,
        signatures=raw if stage is None else {**raw, **stage.signatures(raw[SERVING_DEFAULT])},
        provenance=_provenance(imported, source_name, options, network),
        files={},
        preprocess=None if spec is None else spec.to_json(),
        detection=None if stage is None else stage.to_json(),
        labels=labels,
        tags=dict(options.tags),
        numerics=numerics_of(winograd),
    )
    lowered = lower(published_graph, fast.taken if fast else None)
    if proving is not None:
        proving()
    prove(manifest, files, lowered, _one_picture(pictures, spec), options.cache)
    directory = publish(
        options.repository,
        lambda version: msgspec.structs.replace(manifest, version=version),
        files,
        name=options.name,
        version=options.version,
    )
    skipped = tuple(dict.fromkeys(pictures.skipped)) if pictures else ()
    published = msgspec.structs.replace(manifest, version=int(directory.name))
    generated = pictures is None and (network is not None or fast is not None)
    notes = tuple(note for note in (preparation, labels_note) if note)
    return Converted(directory, published, network, generated, skipped, fast, notes)


def winograd_file(fast: FastChoice | None) -> WinogradFile | None:
    """What is published beside the model if any layer was taken."""
    if fast is None or not fast.taken:
        return None
    layers = {
        layer.name: WinogradLayer(
            multipliers=layer.taps.multipliers,
            zero_points=layer.taps.zero_points,
            sqnr_db=round(min(layer.sqnr_db, 200.0), 2),
        )
        for layer in fast.layers
        if layer.fast
    }
    return WinogradFile(layers=layers, budget=fast.budget, cosine=fast.cosine, pictures=fast.pictures)


def _own_preprocessing(imported: ImportedModel) -> PreprocessSpec | None:
    text = imported.metadata.get(PREPROCESS_KEY)
    if text is None:
        return None
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ConversionError(
            f"the file's own preprocessing, its property '{PREPROCESS_KEY}', is not JSON ({error}); give --preprocess"
        ) from error
    return PreprocessSpec.from_json(document)


def _pictures(options: ConvertOptions) -> Pictures | None:
    if options.calibrate is None:
        return None
    return Pictures.of_folder(options.calibrate, options.calibrate_limit)


def _batches(
    pictures: Pictures | None, spec: PreprocessSpec | None, options: ConvertOptions
) -> tuple[Iterator[NDArray[np.float32]], int]:
    if spec is None:
        raise ConversionError(
            f"'{options.name}' is to be quantized, but nothing says how pictures become its input; give --preprocess"
        )
    if pictures is None:
        return synthetic(spec), SYNTHETIC_COUNT
    return pictures.preprocessed(spec), len(pictures.paths)


def _one_picture(pictures: Pictures | None, spec: PreprocessSpec | None) -> NDArray[np.float32] | None:
    """A usable picture of those to calibrate on, else a generated one; None where nothing says how to preprocess it."""
    if spec is None:
        return None
    found = None if pictures is None else next(pictures.preprocessed(spec), None)
    return next(synthetic(spec, 1)) if found is None else found


def _detection(
    imported: ImportedModel, spec: PreprocessSpec | None, options: ConvertOptions
) -> DetectionStage | None:
    document = options.detection
    if document is None:
        preset = detection_preset(imported.metadata, imported.graph.outputs)
        document = None if preset is None else detection_document(preset)
    return None if document is None else detection_stage(document, imported.graph, spec)


def _labels(
    imported: ImportedModel, stage: DetectionStage | None, options: ConvertOptions
) -> tuple[tuple[str, ...], str | None]:
    first = next(iter(imported.graph.outputs.values()))
    classes = imported.graph.type_of(first).elements if stage is None else stage.spec.classes
    labels, note = class_labels(imported.metadata, classes, options.labels)
    if labels and len(labels) != classes:
        what = f"an output of {classes} elements" if stage is None else f"a detector of {classes} classes"
        which = f"{len(labels)} labels" + (f" in {options.labels}" if isinstance(options.labels, str) else "")
        raise ConversionError(f"{which} for {what}")
    return labels, note


def _provenance(
    imported: ImportedModel, source_name: str, options: ConvertOptions, network: Quantized | None
) -> Provenance:
    calibration = None
    if network is not None:
        origin = "" if options.calibrate else ", generated pictures"
        calibration = Calibration(method=f"{options.quantize.method}{origin}", images=network.images)
    return Provenance(
        source=source_name,
        source_sha256=imported.sha256,
        tool=f"accelserve {package_version('accelserve')}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        opset=OPSET,
        calibration=calibration,
    )


def signatures(graph: Graph, kind: TensorType, *, takes_pictures: bool) -> dict[str, Signature]:
    """``serving_default`` with every output but the features, and ``features`` if the network has them.

    A single output is called ``output_alias``, as clients of the Azure service expect; several keep their names.

    Args:
        graph: what is published.
        kind: of its input.
        takes_pictures: whether the input is encoded pictures, else tensors.
    """
    (name,) = graph.inputs
    shape = (-1,) if takes_pictures else (-1, *kind.shape[1:])
    dtype = "string" if takes_pictures else kind.dtype.value
    inputs = {INPUT_ALIAS: TensorSpec(name=tensor_name(name), dtype=dtype, shape=shape)}
    outputs = {
        public: TensorSpec(
            name=tensor_name(public),
            dtype=graph.type_of(value).dtype.value,
            shape=(-1, *graph.type_of(value).shape[1:]),
        )
        for public, value in graph.outputs.items()
    }
    features = outputs.pop(FEATURES, None)
    if not outputs and features is not None:
        outputs = {FEATURES: features}
    if len(outputs) == 1:
        outputs = {OUTPUT_ALIAS: next(iter(outputs.values()))}
    result = {SERVING_DEFAULT: Signature(inputs=inputs, outputs=outputs)}
    if features is not None:
        result[FEATURES] = Signature(inputs=inputs, outputs={FEATURES: features})
    return result
