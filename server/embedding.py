"""The server, a loaded network and the converter for other people's programs: ``accelserve.Server``, ``load``, ``convert``.

Paths are taken as text or ``Path``. ``cache_dir`` is where compiled code and packed weights are kept between starts: None
is the user's cache folder, which the command line shares; ``"none"`` keeps nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.devices.discovery import open_device
from accelserve.kernels.ir import Array
from accelserve.kernels.preprocess import preprocess_spec
from accelserve.kernels.program import LoadOptions
from accelserve.models.conversion.convert import Converted, ConvertOptions, Progress, convert_imported
from accelserve.models.conversion.source import import_source
from accelserve.models.errors import InputError
from accelserve.models.importing import ImportOptions
from accelserve.models.registry.versions import refuse_network_name
from accelserve.models.repository import SERVING_DEFAULT, Signature, latest_version
from accelserve.models.serving.servable import Servable
from accelserve.server import app
from accelserve.server.cache_folder import cache_folder
from accelserve.server.config import DeviceConfig, GrpcConfig, RestConfig, ServerConfig, model_at
from accelserve.server.loading.device import ServableLoader

PathText = str | PathLike[str]
Images = Sequence[bytes | PathText] | NDArray[np.float32]

_MOST_AT_ONCE = 8
"""Pictures that are decoded and computed together: as many as the server batches; more would take memory and no less time."""


class Server:
    """A server in this process: gRPC, and HTTP if it is given a port.

        with accelserve.Server({"resnet50": "servables/resnet50"}, port=0) as server:
            print(server.address)

    Args:
        models: name -> folder whose numeric children are versions, or a remote URI; or the whole configuration.
        port: of gRPC; 0 lets the system choose.
        rest_port: of HTTP and the status page; 0 lets the system choose, None is no HTTP.
        host: host name or IP to listen on; ``0.0.0.0`` lets other machines in.
        device: as ``accelserve serve --device`` takes it.
        threads: cores that one image may use; 0 takes all.
        cache_dir: see the module.

    A ``ServerConfig`` instead of ``models`` has everything that the flags of ``accelserve serve`` have; the other arguments
    are then left alone. Signals, logging and the length of the process's life are the program's own business.

    Raises:
        ConfigurationError: there is nothing to serve, or a port is none.
        DeviceError: there is no such device.
    """

    def __init__(
        self,
        models: Mapping[str, PathText] | ServerConfig,
        *,
        port: int = 8500,
        rest_port: int | None = None,
        host: str = "127.0.0.1",
        device: str = "cpu",
        threads: int = 0,
        cache_dir: PathText | None = None,
    ) -> None:
        if isinstance(models, ServerConfig):
            self.config = models
        else:
            cache = _cache(cache_dir)
            self.config = ServerConfig(
                models=tuple(model_at(name, str(path)) for name, path in models.items()),
                device=DeviceConfig(name=device, threads=threads, cache=cache),
                grpc=GrpcConfig(address=host, port=port),
                rest=RestConfig(address=host, port=rest_port),
            )
        self._server = app.Server(self.config, ServableLoader(self.config.device, self.config.limits))

    def start(self) -> Self:
        """Load every model and open the ports; returns itself. To be called once.

        Raises:
            ServerError: a model has no version that loads, or a port is in use.
        """
        self._server.start()
        return self

    def stop(self) -> None:
        """Refuse new requests, finish those in flight, unload. To be called once."""
        self._server.stop()

    @property
    def port(self) -> int:
        """Of gRPC, once started."""
        return self._server.port

    @property
    def rest_port(self) -> int | None:
        """Of HTTP, once started; None without HTTP."""
        return self._server.rest_port

    @property
    def address(self) -> str:
        """HOST:PORT of gRPC, as ``PredictionClient`` takes it, once started."""
        return f"{self.config.grpc.address}:{self.port}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def load(
    path: PathText, *, device: str = "cpu", threads: int = 0, cache_dir: PathText | None = None
) -> LoadedModel:
    """Load a published model into this process, without a server.

    Args:
        path: REPOSITORY/NAME, whose latest version is taken, or REPOSITORY/NAME/VERSION.
        device: as ``accelserve serve --device`` takes it.
        threads: cores that one image may use; 0 takes all.
        cache_dir: see the module.

    Raises:
        CorruptVersionError, ManifestError: the files are not what was published.
        ModelFileError, UnsupportedNodesError: the network cannot be read or run.
        DeviceError: there is no such device, or it failed.
    """
    directory = latest_version(Path(path))
    options = LoadOptions(threads=threads, cache=_cache(cache_dir), model=directory.parent.name)
    return LoadedModel(Servable.load(directory, device=open_device(device), options=options))


class LoadedModel:
    """A published network that answers in this process. Any number of threads may ask at once, until ``close``."""

    def __init__(self, servable: Servable) -> None:
        self._servable = servable

    def predict(
        self, images: Images, *, signature: str = SERVING_DEFAULT, outputs: Sequence[str] | None = None
    ) -> dict[str, Array]:
        """Answers for pictures, the same as a server's to the bit.

        Args:
            images: encoded pictures as bytes, and paths of files, in any mixture; or a float32 array [N, H, W, C] that is
                preprocessed already.
            signature: one of ``signatures``.
            outputs: those of the signature that are wanted; None is all.

        Returns:
            Output -> array, whose first axis is the image.

        Raises:
            ImageError: a picture cannot be used; it names which.
            InputError: there are no images, the model takes no pictures, an array has another shape, or there is no such
                signature or output.
            OSError: a file cannot be read.
            TypeError: a single picture, where a sequence is wanted.
        """
        wanted = self._wanted(signature, outputs)
        if isinstance(images, str | bytes | PathLike):
            raise TypeError("images: expected a sequence of pictures; put a single one into a list")
        if len(images) < 1:
            raise InputError("images: expected at least one")
        parts = [
            self._answers(images[first : first + _MOST_AT_ONCE], first, signature, wanted)
            for first in range(0, len(images), _MOST_AT_ONCE)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in wanted}

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Name -> inputs and outputs."""
        return self._servable.signatures

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in order; may be empty."""
        return self._servable.labels

    def close(self) -> None:
        """Give memory and device back, when nobody predicts any more."""
        self._servable.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _wanted(self, signature: str, outputs: Sequence[str] | None) -> list[str]:
        if signature not in self.signatures:
            known = ", ".join(self.signatures)
            raise InputError(f"expected a signature of {known}, got '{signature}'")
        known_outputs = self.signatures[signature].outputs
        for name in outputs or ():
            if name not in known_outputs:
                raise InputError(f"expected outputs of {', '.join(known_outputs)}, got '{name}'")
        return list(outputs or known_outputs)

    def _answers(
        self, images: Images, first: int, signature: str, wanted: Sequence[str]
    ) -> Mapping[str, Array]:
        if isinstance(images, np.ndarray):
            batch = self._servable.quantize(np.asarray(images, np.float32))
        else:
            encoded = [each if isinstance(each, bytes) else Path(each).read_bytes() for each in images]
            batch = self._servable.decode(encoded).complete(first)
        return self._servable.respond(signature, self._servable.run(batch), wanted)


def convert(
    source: PathText,
    *,
    name: str,
    repository: PathText,
    calibrate: PathText | None = None,
    preprocess: str | None = None,
    architecture: str | None = None,
    outputs: Sequence[str] = (),
    labels: Sequence[str] | str = (),
    version: int | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    cache_dir: PathText | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Converted:
    """Make a quantized servable of a trained network and publish it, as ``accelserve convert`` does.

    Args:
        source: ONNX, PyTorch or Keras weights, a SavedModel, a frozen graph.
        name: what requests call the model.
        repository: folder of models.
        calibrate: folder of photographs like those to be served; None generates pictures, which costs accuracy.
        preprocess: preset, or JSON; None takes what the file says.
        architecture: built-in network that the weights belong to, if the file does not tell.
        outputs: of a TensorFlow graph or architecture.
        labels: names of the classes, in order, or the name of a list that is shipped, such as ``imagenet``.
        version: None is the next one.
        input_shapes: sizes that an ONNX file leaves open, by input.
        cache_dir: see the module.
        progress: called with the number of calibration pictures seen so far, and of all of them.
        options: further fields of ``ConvertOptions``.

    Returns:
        What was published: ``directory``, ``manifest``, and what was skipped.

    Raises:
        ModelError: in words, what of the network, the pictures or the options is at fault.
    """
    path = Path(source)
    refuse_network_name(str(repository), name)
    wanted = ConvertOptions(
        name=name,
        repository=Path(repository),
        version=version,
        calibrate=None if calibrate is None else Path(calibrate),
        preprocess=None if preprocess is None else preprocess_spec(preprocess),
        labels=labels if isinstance(labels, str) else tuple(labels),
        input_shapes=input_shapes or {},
        cache=_cache(cache_dir),
        **options,
    )
    shapes = ImportOptions(input_shapes=wanted.input_shapes)
    imported = import_source(path, architecture=architecture, outputs=tuple(outputs), options=shapes)
    return convert_imported(imported, path.name, wanted, progress)


def _cache(given: PathText | None) -> Path | None:
    return cache_folder(None if given is None else Path(given))
