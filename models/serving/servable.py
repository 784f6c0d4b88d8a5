"""One version of a model, loaded on a device: encoded images or tensors in, named arrays out.

Everything here is free of transport: a server decodes, queues, runs and answers by these four steps, a notebook by
``featurize`` alone.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from accelserve.kernels.device_health import DeviceHealth, ReportsHealth
from accelserve.kernels.ir import Array, QuantParams, TensorType
from accelserve.kernels.preprocess import (
    DecodedBatch,
    ImageLimits,
    Preprocessor,
    PreprocessSpec,
    StageClock,
    preprocess_each_float,
)
from accelserve.kernels.program import (
    CachesPlans,
    Device,
    LoadOptions,
    Program,
    StepProfile,
    WorksSideBySide,
)
from accelserve.models.detection import DetectionRunner, DetectionStage
from accelserve.models.errors import CorruptVersionError, InputError, ModelError
from accelserve.models.repository import FEATURES, Manifest, Signature, tensor_name, verify
from accelserve.models.serving.compiling import compiled, network_of

Floats = NDArray[np.float32]
_WARM_UP_ROUNDS = 3
"""After so many, measured, another one is no faster."""
_WARM_UP_SIZE = (640, 480)

Prepare = Callable[[Path, LoadOptions], None]
"""Fills the cache with the plan of a version's folder, elsewhere; what it fails to do is done here."""


class Servable:
    """A loaded model version. Every method may be called from several threads at once, until ``close``."""

    def __init__(
        self,
        manifest: Manifest,
        program: Program,
        input_quantization: Mapping[str, QuantParams],
        *,
        cache: Path | None = None,
        limits: ImageLimits | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.manifest = manifest
        self._program = program
        self._cache = cache
        self._limits = limits or ImageLimits()
        self._executor = executor
        # Every request asks, and whether a program has what a protocol says takes 50 us to find out in cold caches.
        self._side_by_side = program.side_by_side if isinstance(program, WorksSideBySide) else None
        (self._input, self._input_type), *others = program.inputs.items()
        if others:
            raise ModelError(f"'{manifest.name}' has {len(others) + 1} inputs; an image network has one")
        self._spec = None if manifest.preprocess is None else PreprocessSpec.from_json(manifest.preprocess)
        params = input_quantization.get(self._input)
        self._preprocessor = None
        if params is not None:
            self._preprocessor = Preprocessor(
                self._spec or _identity(self._input_type),
                input_scale=params.scale,
                input_zero_point=params.zero_point,
                limits=self._limits,
                executor=executor,
            )
        self._outputs = {tensor_name(output): output for output in program.outputs}
        self._detection = None
        if manifest.detection is not None:
            self._detection = DetectionRunner(DetectionStage.from_json(manifest.detection))

    @classmethod
    def load(
        cls,
        directory: Path,
        *,
        device: Device,
        options: LoadOptions | None = None,
        limits: ImageLimits | None = None,
        executor: Executor | None = None,
        prepare: Prepare | None = None,
    ) -> Self:
        """Verify a version's files, load its network onto ``device`` and warm nothing up.

        A device that keeps plans finds what it compiled before in the cache; then the ONNX file is hashed but not read
        as a network.

        Args:
            directory: ``REPOSITORY/NAME/VERSION``.
            device: where it shall run.
            options: threads and cache.
            limits: bounds on every image.
            executor: decodes the images of a batch side by side; None decodes in the calling thread.
            prepare: called before this process compiles, if the device keeps plans and has none of this version.

        Raises:
            CorruptVersionError, ManifestError: the files are not what was published.
            ModelFileError, UnsupportedNodesError: the network cannot be read or run.
            DeviceError: the device is missing, in use, or failed.
        """
        manifest = verify(directory)
        options = replace(options or LoadOptions(), network=network_of(manifest))
        program, quantization = _cached(directory, device, options, prepare) or compiled(
            directory, manifest, device, options
        )
        try:
            servable = cls(
                manifest, program, quantization, cache=options.cache, limits=limits, executor=executor
            )
            servable.check_signatures(directory)
        except BaseException:
            program.close()
            raise
        return servable

    def check_signatures(self, directory: Path) -> None:
        """CorruptVersionError if a signature names an output that neither network nor detection makes."""
        detection = self._detection
        made = {*self._outputs, *(detection.names if detection else ())}
        if detection and (lacking := {*detection.stage.logits, *detection.stage.offsets} - {*self._outputs}):
            raise CorruptVersionError(
                directory, f"detection reads {sorted(lacking)}, which the network lacks"
            )
        for name, signature in self.manifest.signatures.items():
            for alias, spec in signature.outputs.items():
                if spec.name not in made:
                    reason = f"signature '{name}' maps '{alias}' to '{spec.name}', which the network lacks"
                    raise CorruptVersionError(directory, reason)

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Name -> signature."""
        return self.manifest.signatures

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in order; may be empty."""
        return self.manifest.labels

    @property
    def description(self) -> str:
        """Device, instruction set and threads, for the log."""
        return self._program.description

    @property
    def memory_bytes(self) -> int:
        """Bytes of packed weights and of the arena."""
        return self._program.memory_bytes

    @property
    def health(self) -> DeviceHealth | None:
        """How the device fares; None for one that is not lost unless the process is."""
        return self._program.health if isinstance(self._program, ReportsHealth) else None

    @property
    def side_by_side(self) -> int | None:
        """Images of a batch that the device works on at once; None if it gains by every further one."""
        return self._side_by_side

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        height, width, channels = self._input_type.shape[1:]
        return height, width, channels

    def decode(self, images: Sequence[bytes], clock: StageClock | None = None) -> DecodedBatch[np.generic]:
        """Encoded images to what ``run`` takes.

        Args:
            images: files.
            clock: told how long decoding and the rest took; a network that reads float32 tells nothing.

        Returns:
            A batch [N, H, W, C] in the dtype of the network's input, and the errors of images that cannot be used.

        Raises:
            InputError: the model has no preprocessing, so it takes tensors only.
        """
        if self._spec is None:
            raise InputError(
                f"'{self.manifest.name}' was published without preprocessing: send float32 tensors"
            )
        if self._preprocessor is None:
            return preprocess_each_float(self._spec, images, self._limits, self._executor)
        return self._preprocessor.run_each(images, clock=clock)

    def quantize(self, tensor: Floats) -> Array:
        """A batch that the client preprocessed, to what ``run`` takes.

        Args:
            tensor: float32 [N, H, W, C], N 1 or more.

        Raises:
            InputError: another rank or shape.
        """
        if tensor.ndim != 4 or tensor.shape[1:] != self.input_shape or tensor.shape[0] < 1:
            wanted = ", ".join(map(str, self.input_shape))
            raise InputError(f"expected a float32 tensor of shape [N, {wanted}], got {list(tensor.shape)}")
        return tensor if self._preprocessor is None else self._preprocessor.quantize(tensor)

    def run(self, batch: Array) -> dict[str, Array]:
        """All outputs of the network.

        Args:
            batch: [N, H, W, C] in the dtype that ``decode`` and ``quantize`` give.

        Returns:
            Tensor name -> array, the batch first.

        Raises:
            DeviceError: the device failed.
        """
        results = self._program.run({self._input: batch})
        return {tensor: results[output] for tensor, output in self._outputs.items()}

    def respond(
        self, signature: str, results: Mapping[str, Array], wanted: Sequence[str]
    ) -> dict[str, Array]:
        """What a signature makes of the network's outputs; detections are made here, if any are wanted.

        Args:
            signature: name of one of ``signatures``.
            results: what ``run`` gave, or rows of it.
            wanted: aliases, each one of the signature's.
        """
        outputs = self.manifest.signatures[signature].outputs
        names = {alias: outputs[alias].name for alias in wanted}
        if self._detection is not None and not self._detection.names.isdisjoint(names.values()):
            results = {**results, **self._detection.run(results)}
        return {alias: results[name] for alias, name in names.items()}

    def featurize(self, images: Sequence[bytes]) -> Floats:
        """Pooled features of encoded images, float32 [N, 1, 1, C] (or the shape that the network gives them).

        Raises:
            InputError: the model has no ``features`` signature.
            ImageError: for the first image that cannot be used.
        """
        if FEATURES not in self.manifest.signatures:
            raise InputError(f"'{self.manifest.name}' has no '{FEATURES}' signature; convert it again")
        results = self.run(self.decode(images).complete())
        (alias,) = self.manifest.signatures[FEATURES].outputs
        return np.asarray(self.respond(FEATURES, results, [alias])[alias], np.float32)

    def warm_up(self) -> None:
        """Send some black pictures through every stage, so that the first request is as fast as the rest."""
        if self._preprocessor is not None:
            self._preprocessor.warm_up(self._cache)
        if self._detection is not None:
            self._detection.warm_up(self._cache)
        black = np.zeros((1, *self.input_shape), self._input_type.dtype.numpy)
        for _ in range(_WARM_UP_ROUNDS):
            decoded = None if self._spec is None else self.decode([_black_jpeg()])
            results = self.run(black if decoded is None or decoded.errors else decoded.pixels)
            for name, signature in self.manifest.signatures.items():
                self.respond(name, results, list(signature.outputs))

    def profile(self, image: bytes, runs: int) -> Sequence[StepProfile]:
        """Median time of every step of the network for one encoded image; ImageError if it cannot be used."""
        return self._program.profile({self._input: self.decode([image]).complete()}, runs)

    def close(self) -> None:
        """Give memory and device back. The caller sees to it that no other method runs any more."""
        self._program.close()


def _cached(
    directory: Path, device: Device, options: LoadOptions, prepare: Prepare | None
) -> tuple[Program, Mapping[str, QuantParams]] | None:
    """What the device has cached of the version, perhaps only since ``prepare``; None if it has to be compiled here."""
    if not isinstance(device, CachesPlans) or not device.caches_plans:
        return None
    if options.cache is None or not options.network:
        return None
    found = device.load_cached(options)
    if found is None and prepare is not None:
        prepare(directory, options)
        found = device.load_cached(options)
    return None if found is None else (found.program, found.input_quantization)


def _identity(kind: TensorType) -> PreprocessSpec:
    """A description that fits the shape and changes nothing, for a model that takes tensors only."""
    height, width, channels = kind.shape[1:]
    if channels not in {1, 3} or not math.prod(kind.shape):
        raise ModelError(f"an image network reads [1, H, W, 3], or one channel, this one {kind}")
    return PreprocessSpec(
        resize="exact",
        resize_height=height,
        resize_width=width,
        interpolation="bilinear",
        crop_height=height,
        crop_width=width,
        color_order="RGB" if channels == 3 else "GRAY",
        mean=(0.0,) * channels,
    )


def _black_jpeg() -> bytes:
    """A picture like those that are sent, for the decoder's sake."""
    file = io.BytesIO()
    Image.new("RGB", _WARM_UP_SIZE).save(file, "JPEG")
    return file.getvalue()
