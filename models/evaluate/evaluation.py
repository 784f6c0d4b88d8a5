"""Runs a published servable, and its float32 original beside it, over pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.ir import Array, Graph
from accelserve.kernels.preprocess import ImageError, PreprocessSpec, preprocess_float
from accelserve.kernels.program import Device, LoadOptions
from accelserve.models.conversion.features import with_features
from accelserve.models.detection import DetectionRunner, DetectionStage
from accelserve.models.errors import EvaluationError
from accelserve.models.evaluate.float_network import Run, float_network
from accelserve.models.evaluate.report import Evaluation
from accelserve.models.evaluate.tally import Tally
from accelserve.models.evaluate.truth import Truth, truth_of_folders
from accelserve.models.importing import import_onnx
from accelserve.models.quantize.noise import LayerNoise, measure_noise
from accelserve.models.quantize.pictures import Pictures
from accelserve.models.quantize.simplify import simplify
from accelserve.models.repository import MODEL_FILE, SERVING_DEFAULT, Manifest, read_manifest, tensor_name
from accelserve.models.serving.servable import Servable

Progress = Callable[[int, int], None]
"""Called with the number of pictures done so far, and of all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What is compared with what.

    Attributes:
        device: where the servable runs.
        load: threads and cache.
        original: the float32 network that the servable was made of; None evaluates against the truth alone.
        truth: what is in the pictures; None takes the names of their folders, if they are labels.
        limit: most pictures that are used, evenly spread over the folder.
        layer_pictures: pictures for the noise of every layer; it is measured in numpy, which takes its time.
    """

    device: Device
    load: LoadOptions = field(default_factory=LoadOptions)
    original: Graph | None = None
    truth: Truth | None = None
    limit: int = 1000
    layer_pictures: int = 4


def evaluate_servable(
    directory: Path, folder: Path, options: EvaluateOptions, progress: Progress | None = None
) -> Evaluation:
    """Evaluate one published version on a folder of pictures.

    Args:
        directory: ``REPOSITORY/NAME/VERSION``.
        folder: pictures, in subfolders too.
        options: what is compared with what.
        progress: told about pictures.

    Raises:
        CalibrationError: the folder holds no picture.
        EvaluationError: no picture can be used, or the original is another network.
        RepositoryError, DeviceError: the version cannot be loaded.
    """
    pictures = Pictures.of_folder(folder, options.limit)
    manifest = read_manifest(directory)
    if manifest.preprocess is None:
        raise EvaluationError(
            f"'{manifest.name}' was published without preprocessing, so it takes no pictures"
        )
    spec = PreprocessSpec.from_json(manifest.preprocess)
    original = None if options.original is None else with_features(simplify(options.original))
    names = [path.relative_to(folder).as_posix() for path in pictures.paths]
    truth = options.truth or truth_of_folders(names, manifest.labels)
    servable = Servable.load(directory, device=options.device, options=options.load)
    try:
        pair = _Pair(servable, spec, None if original is None else float_network(original))
        tally = Tally(_scores_name(manifest), truth, detects=manifest.detection is not None)
        skipped = list(_tallied(pair, tally, pictures.paths, names, progress))
    finally:
        servable.close()
    if not tally.pictures:
        raise EvaluationError(f"none of the {len(names)} pictures in {folder} can be used: {skipped[0][1]}")
    return Evaluation(
        model=manifest.name,
        version=manifest.version,
        device=servable.description,
        pictures=tally.pictures,
        skipped=tuple(skipped),
        accuracy=tally.accuracy(),
        detection=tally.detection_accuracy(),
        agreement=None if original is None else tally.agreement(),
        layers=_layers(directory, original, spec, pictures, options.layer_pictures),
    )


def _tallied(
    pair: _Pair, tally: Tally, paths: Sequence[Path], names: Sequence[str], progress: Progress | None
) -> Iterator[tuple[str, str]]:
    """Run every picture into the tally; gives (picture, reason) of those that cannot be used."""
    for done, (path, name) in enumerate(zip(paths, names, strict=True), start=1):
        try:
            tally.add(name, *pair.outputs_for(path.read_bytes()))
        except (ImageError, OSError) as error:
            yield name, str(error)
        if progress is not None:
            progress(done, len(paths))


class _Pair:
    """The servable, and the original that it is compared with if there is one."""

    def __init__(self, servable: Servable, spec: PreprocessSpec, original: Run | None) -> None:
        self._servable = servable
        self._spec = spec
        self._original = original
        document = servable.manifest.detection
        self._detection = None if document is None else DetectionRunner(DetectionStage.from_json(document))

    def outputs_for(self, picture: bytes) -> tuple[Mapping[str, Array], Mapping[str, Array] | None]:
        """Tensor name -> array [1, ...] of the servable, and of the original; ImageError if it cannot be decoded."""
        pixels = self._servable.decode([picture]).complete()
        found = self._with_detections(self._servable.run(pixels))
        if self._original is None:
            return found, None
        results = self._original(preprocess_float(self._spec, picture)[None])
        named = {tensor_name(output): array for output, array in results.items()}
        if lacking := [name for name in found if name not in named and name not in self._detected]:
            raise EvaluationError(
                f"the original answers with {', '.join(named)} and not with {', '.join(lacking)}; is it another network?"
            )
        return found, self._with_detections(named)

    @property
    def _detected(self) -> frozenset[str]:
        return frozenset() if self._detection is None else self._detection.names

    def _with_detections(self, results: Mapping[str, Array]) -> Mapping[str, Array]:
        return results if self._detection is None else {**results, **self._detection.run(results)}


def _scores_name(manifest: Manifest) -> str | None:
    """Tensor of a classifier's scores, [N, classes]; None for other networks."""
    outputs = manifest.signatures[SERVING_DEFAULT].outputs
    if manifest.detection is not None or len(outputs) != 1:
        return None
    (spec,) = outputs.values()
    return spec.name if len(spec.shape) == 2 and spec.shape[1] > 1 else None


def _layers(
    directory: Path, original: Graph | None, spec: PreprocessSpec, pictures: Pictures, limit: int
) -> tuple[LayerNoise, ...]:
    if original is None or not limit:
        return ()
    graph = import_onnx(directory / MODEL_FILE).graph
    some = Pictures(pictures.paths[:: max(1, len(pictures.paths) // limit)][:limit])
    batches: list[NDArray[np.float32]] = list(some.preprocessed(spec))
    return tuple(measure_noise(simplify(original), graph, batches)) if batches else ()
