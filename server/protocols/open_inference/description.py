"""What the protocol says about server and models, free of its transports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

from accelserve.server.core.registry import ModelChoice, ModelRegistry
from accelserve.server.core.states import StateReport, VersionState
from accelserve.server.dataplane.predictor import signature_of
from accelserve.server.dataplane.servable import ImageServable, TensorSpec
from accelserve.server.errors import InvalidRequestError, ServableNotFoundError, UnsupportedMethodError
from accelserve.server.protocols.open_inference.call import choice_of
from accelserve.server.protocols.open_inference.tensors import datatype_of
from accelserve.server.readiness import Readiness

SERVER_NAME = "accelserve"
SERVER_VERSION = version("accelserve")
PLATFORM = "accelserve_qdq_onnx"
EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "model_repository")

# Triton's words for the states.
_STATES = {
    VersionState.START: "LOADING",
    VersionState.LOADING: "LOADING",
    VersionState.AVAILABLE: "READY",
    VersionState.UNLOADING: "UNLOADING",
    VersionState.END: "UNAVAILABLE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorDescription:
    """A tensor: name, datatype, shape with -1 for any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """A model: its available versions, and what one of them takes and gives in its default signature."""

    name: str
    versions: tuple[str, ...]
    inputs: tuple[TensorDescription, ...]
    outputs: tuple[TensorDescription, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One version in the repository: its state, and why it could not be loaded."""

    name: str
    version: str
    state: str
    reason: str


def describe(registry: ModelRegistry[ImageServable], name: str, version: str) -> ModelDescription:
    """The model; errors as ``registry.acquire``."""
    with registry.acquire(choice_of(name, version)) as handle:
        _, signature = signature_of(handle.servable, "")
        known = [key.version for key in registry.available() if key.name == handle.servable_id.name]
        return ModelDescription(
            name=handle.servable_id.name,
            versions=tuple(str(number) for number in known),
            inputs=_tensors(signature.inputs),
            outputs=_tensors(signature.outputs),
        )


def is_ready(registry: ModelRegistry[ImageServable], readiness: Readiness, name: str, version: str) -> bool:
    """Whether requests for the model (or one version of it) are answered; False for an unknown one."""
    try:
        choice = choice_of(name, version)
        resolved = registry.resolve_name(choice)
        number = registry.resolve_version(resolved, choice)
    except InvalidRequestError:
        return False
    versions = [key.version for key in registry.available() if key.name == resolved]
    return readiness.model(resolved) and (number is None or number in versions)


def index(registry: ModelRegistry[ImageServable], *, ready_only: bool) -> list[IndexEntry]:
    """Every version that is known, of the models that the caller may use."""
    entries = [_entry(report) for report in registry.states.all() if registry.opens(report.servable_id.name)]
    return [entry for entry in entries if entry.state == "READY" or not ready_only]


def check_load(registry: ModelRegistry[ImageServable], name: str) -> None:
    """Answer a wish to load a model: nothing to do for one that serves.

    Raises:
        UnsupportedMethodError: it does not serve; what is served is the configuration's business.
    """
    try:
        registry.acquire(ModelChoice(name=name)).release()
    except ServableNotFoundError as error:
        raise UnsupportedMethodError(f"failed to load '{name}': {_POLICY}") from error


def refuse_unload(name: str) -> None:
    """Answer a wish to unload a model: UnsupportedMethodError."""
    raise UnsupportedMethodError(f"failed to unload '{name}': {_POLICY}")


_POLICY = (
    "explicit model load / unload is not allowed, the configuration says what is served; use "
    "tensorflow.serving.ModelService/HandleReloadConfigRequest or change the model config file"
)


def _tensors(specs: Mapping[str, TensorSpec]) -> tuple[TensorDescription, ...]:
    return tuple(
        TensorDescription(name=alias, datatype=datatype_of(spec.dtype), shape=tuple(spec.shape))
        for alias, spec in specs.items()
    )


def _entry(report: StateReport) -> IndexEntry:
    # A version whose load failed is tried again later; until then it is unavailable.
    failed = report.error is not None and report.state is not VersionState.AVAILABLE
    return IndexEntry(
        name=report.servable_id.name,
        version=str(report.servable_id.version),
        state="UNAVAILABLE" if failed else _STATES[report.state],
        reason="" if report.error is None else str(report.error),
    )
