"""From class folders and a published network to a published classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.ir import Graph, QuantParams, WinogradTaps
from accelserve.kernels.program import Device, LoadOptions
from accelserve.models.conversion.convert import signatures
from accelserve.models.conversion.proof import prove
from accelserve.models.errors import MissingExtraError, ModelNameError, TrainingError
from accelserve.models.heads.attachment import LAYERS, Layer, as_quantized, attach, feature_params
from accelserve.models.heads.class_folders import ClassFolders, LabelledFeatures, labelled_features
from accelserve.models.heads.confusion_picture import confusion_picture
from accelserve.models.heads.linear_head import Fit, confusion, fit, split
from accelserve.models.importing import export_onnx, import_onnx
from accelserve.models.repository import FEATURES, MODEL_FILE, Manifest, check_destination, publish
from accelserve.models.repository.numerics import WINOGRAD_FILE, read_winograd
from accelserve.models.serving.servable import Servable

CONFUSION_FILE = "confusion-matrix.png"

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadOptions:
    """What shall be trained.

    Attributes:
        name: of the new model.
        repository: where it is published.
        test_share: of each class's pictures, held out to measure accuracy; 0 measures nothing.
        seed: of the choice of held-out pictures and of the folds.
        layer: arithmetic of the new layer.
    """

    name: str
    repository: Path
    test_share: float = 0.2
    seed: int = 0
    layer: Layer = "float32"

    def __post_init__(self) -> None:
        if not 0.0 <= self.test_share < 1.0:
            raise TrainingError(
                f"the share of held-out pictures is 0 or more and below 1, got {self.test_share}"
            )
        if self.layer not in LAYERS:
            raise TrainingError(f"layer {self.layer!r} is none of {', '.join(LAYERS)}")


@dataclass(frozen=True, slots=True)
class TrainedHead:
    """What a training made.

    Attributes:
        directory: the published version.
        classes: names, in the order of the probabilities.
        fit: the head as trained.
        trained, tested: numbers of pictures.
        confusion: int64 [K, K] of the held-out pictures under the published layer.
        accuracy: layer -> share of held-out pictures whose class is most probable; empty if none was held out.
        skipped: (file, reason) of pictures that could not be read.
    """

    directory: Path
    classes: tuple[str, ...]
    fit: Fit
    trained: int
    tested: int
    confusion: NDArray[np.int64]
    accuracy: dict[Layer, float]
    skipped: tuple[tuple[Path, str], ...]


def train_head(
    base: Path,
    pictures: Path,
    options: HeadOptions,
    *,
    device: Device,
    load: LoadOptions | None = None,
    progress: Progress | None = None,
) -> TrainedHead:
    """Train a classifier on a published network's features, attach it and publish the result.

    The features are those that the quantized network gives on ``device``, so the head is trained on what it will read
    when it is served. What is published is what was measured: held-out pictures are not trained on afterwards.

    Args:
        base: folder of a published version with a ``features`` signature.
        pictures: folder with one folder of pictures a class.
        options: what shall be trained.
        device: where features are computed.
        load: threads and cache.
        progress: told about pictures and fits.

    Raises:
        TrainingError: too few classes or pictures, or a network without features.
        MissingExtraError: scikit-learn or matplotlib is not installed.
        ModelError, DeviceError: the network cannot be loaded, or the result cannot be published.
    """
    _require_packages()
    check_destination(options.repository, options.name)
    folders = ClassFolders.of(pictures)
    tell = progress or (lambda _what, _done, _all: None)
    with closing(Servable.load(base, device=device, options=load)) as servable:
        manifest = servable.manifest
        _check_base(manifest, base, options)
        found = labelled_features(servable, folders, lambda done, total: tell("features", done, total))
    train, test = split(found.labels, options.test_share, options.seed)
    trained = fit(
        found.features[train],
        found.labels[train],
        options.seed,
        lambda done, total: tell("regularisation", done, total),
    )
    graph = import_onnx(base / MODEL_FILE).graph
    numerics = {WINOGRAD_FILE: (base / WINOGRAD_FILE).read_bytes()} if manifest.numerics else {}
    winograd = read_winograd(base, manifest)
    cache = None if load is None else load.cache
    return _Outcome(
        manifest, graph, folders.classes, found, trained, test, options, winograd, numerics, cache
    ).publish()


def _require_packages() -> None:
    for package in ("sklearn", "matplotlib"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "heads", "training a head")


def _check_base(manifest: Manifest, base: Path, options: HeadOptions) -> None:
    if FEATURES not in manifest.signatures:
        raise TrainingError(
            f"'{manifest.name}' has no '{FEATURES}' signature to train on; it has {', '.join(manifest.signatures)}"
        )
    if manifest.preprocess is None:
        raise TrainingError(
            f"'{manifest.name}' takes tensors only; convert it with --preprocess to train on pictures"
        )
    if options.name == manifest.name and options.repository.resolve() == base.resolve().parent.parent:
        raise ModelNameError(options.name, "is the network that is trained on; choose another name")


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A finished training, to be measured and published.

    Attributes:
        base, graph: of the network that was trained on.
        classes: names.
        found: features of all pictures.
        fit: the head.
        test: indices of the held-out pictures.
        options: as given.
        winograd: layers of the network that compute in the Winograd domain.
        numerics: the network's files that say so.
        cache: where plans and compiled code are kept, or None.
    """

    base: Manifest
    graph: Graph
    classes: tuple[str, ...]
    found: LabelledFeatures
    fit: Fit
    test: NDArray[np.int64]
    options: HeadOptions
    winograd: Mapping[str, WinogradTaps]
    numerics: Mapping[str, bytes]
    cache: Path | None

    def publish(self) -> TrainedHead:
        params = feature_params(self.graph, self.found.features)
        matrices = self._confusions(params)
        matrix = matrices[self.options.layer]
        tested = int(self.test.size)
        accuracy = {layer: float(found.trace() / tested) for layer, found in matrices.items() if tested}
        attached = attach(self.graph, self.fit.head, self.options.layer, params)
        files = {MODEL_FILE: export_onnx(attached), **self.numerics}
        lowered = lower(import_onnx(files[MODEL_FILE]).graph, self.winograd)
        if tested:
            title = f"{self.options.name}: {accuracy[self.options.layer]:.1%} of {tested} held-out pictures"
            files[CONFUSION_FILE] = confusion_picture(matrix, self.classes, title)
        manifest = self._manifest(attached, accuracy)
        prove(manifest, files, lowered, None, self.cache)
        directory = publish(
            self.options.repository,
            lambda version: msgspec.structs.replace(manifest, version=version),
            files,
            name=self.options.name,
        )
        return TrainedHead(
            directory,
            self.classes,
            self.fit,
            self._trained,
            tested,
            matrix,
            accuracy,
            self.found.skipped,
        )

    @property
    def _trained(self) -> int:
        return int(self.found.labels.size - self.test.size)

    def _confusions(self, params: QuantParams) -> dict[Layer, NDArray[np.int64]]:
        """What either layer makes of the held-out pictures."""
        features, labels = self.found.features[self.test], self.found.labels[self.test]
        head = self.fit.head
        integer = head.rounded(params.scale).probabilities(as_quantized(features, params))
        return {
            "float32": confusion(labels, head.probabilities(features)),
            "int8": confusion(labels, integer),
        }

    def _manifest(self, graph: Graph, accuracy: Mapping[Layer, float]) -> Manifest:
        (kind,) = graph.inputs.values()
        return Manifest(
            name=self.options.name,
            version=1,
            signatures=signatures(graph, kind, takes_pictures=True),
            provenance=msgspec.structs.replace(
                self.base.provenance,
                tool=f"accelserve {package_version('accelserve')}",
                created=datetime.now(UTC).isoformat(timespec="seconds"),
            ),
            files={},
            preprocess=self.base.preprocess,
            labels=self.classes,
            tags=self._tags(accuracy),
            numerics=self.base.numerics,
        )

    def _tags(self, accuracy: Mapping[Layer, float]) -> dict[str, str]:
        """What the manifest tells of the training, beside the provenance of the trained network."""
        layer, seed = self.options.layer, self.options.seed
        tags = {
            "head": f"logistic regression, C {self.fit.inverse_strength:g}, {layer} layer, seed {seed}",
            "head_base": f"{self.base.name}/{self.base.version}",
            "head_base_sha256": self.base.files[MODEL_FILE].sha256,
            "head_pictures": str(self._trained),
        }
        if accuracy:
            tags["head_held_out_accuracy"] = f"{accuracy[layer]:.4f}"
        return tags
