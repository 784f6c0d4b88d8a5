"""Names, labels and versions to servables: what every frontend asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from accelserve.server.config import LoadingConfig, ModelConfig, refuse_duplicates
from accelserve.server.core.access import CURRENT_CALL, everyone
from accelserve.server.core.handle import ServableHandle
from accelserve.server.core.labels import LabelTable
from accelserve.server.core.manager import Manager
from accelserve.server.core.servable import Loader, S, ServableId
from accelserve.server.core.source import FileSystemSource
from accelserve.server.core.states import ServableStateMonitor, StateReport
from accelserve.server.errors import (
    ConfigurationError,
    InvalidRequestError,
    LabelUnavailableError,
    LoadError,
    PermissionDeniedError,
    ServableNotFoundError,
)
from accelserve.server.faults import FaultLog
from accelserve.server.remote.mirror import RemoteMirror


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """What a request says about the model it means.

    Attributes:
        name: None if the request says nothing at all, empty if it names none.
        version: a number, or None for the latest.
        label: a label, or None; not together with a version.
    """

    name: str | None = None
    version: int | None = None
    label: str | None = None


class ModelRegistry(Generic[S]):
    """The served models. Thread-safe."""

    def __init__(self, loader: Loader[S], loading: LoadingConfig) -> None:
        self.states = ServableStateMonitor()
        self._faults = FaultLog()
        self._manager = Manager(loader, self.states, loading, self._faults)
        self._labels = LabelTable(self._manager.serves, self._faults)
        self._source = FileSystemSource(
            self._manager.aspire, loading.poll_seconds, self._unusable, self._faults, self._labels
        )
        self._mirror = (
            RemoteMirror(
                loading.remote_cache,
                loading.remote_poll_seconds,
                self._source.look,
                self._unusable,
                self._faults,
                self._labels.kept,
            )
            if loading.remote_cache is not None
            else None
        )
        self._reloading = threading.Lock()
        self._models: Mapping[str, ModelConfig] = {}

    def start(self, models: Sequence[ModelConfig], *, allow_unavailable_labels: bool = False) -> None:
        """Load the models; returns when each has an available version.

        What goes wrong meanwhile is said once: by the error, or in the log if there is none.

        Raises:
            LoadError: a model has none; the message gives every reason.
            LabelUnavailableError: a label points to a version that does not serve.
        """
        refuse_duplicates(models)
        with self._faults.held():
            self._replace(models)
            reasons = [reason for model in models for reason in self._missing(model.name)]
            if reasons:
                raise LoadError("; ".join(reasons))
            if not allow_unavailable_labels:
                self._check_labels(models)
        self._labels.configure(models, allow_unavailable=allow_unavailable_labels)
        self._source.start()
        if self._mirror is not None:
            self._mirror.start()

    def reload(self, models: Sequence[ModelConfig], *, allow_unavailable_labels: bool = False) -> None:
        """Serve exactly these models from now on; returns when each new one has loaded or failed.

        Raises:
            ConfigurationError: a name is listed twice; nothing changed.
            LabelUnavailableError: a label points to a version that does not serve; the old labels stay.
            LoadError: a model has no available version; the rest is served.
        """
        refuse_duplicates(models)
        with self._reloading:
            self._replace(models)
            if not allow_unavailable_labels:
                self._check_labels(models)
            self._labels.configure(models, allow_unavailable=allow_unavailable_labels)
            reasons = [reason for model in models for reason in self._missing(model.name)]
        if reasons:
            raise LoadError("; ".join(reasons))

    def acquire(self, choice: ModelChoice) -> ServableHandle[S]:
        """Hold the servable that a request means.

        Raises:
            InvalidRequestError: the request names no model and there is no default, or an unknown label.
            ServableNotFoundError: no such model or version is available.
        """
        name = self.resolve_name(choice)
        latest = choice.version is None and choice.label is None
        version = None if latest else self.resolve_version(name, choice)
        while True:
            try:
                return self._manager.acquire(name, version)
            except ServableNotFoundError:
                # A label that moved since it was looked up, and whose old version is unloaded already, is looked up again.
                before, version = version, self.resolve_version(name, choice)
                if version == before:
                    raise

    def resolve_name(self, choice: ModelChoice) -> str:
        """The model's name: as given, or by the call's metadata, or the only one served, or the one called ``default``.

        Raises:
            InvalidRequestError: none is given and none is the default.
            PermissionDeniedError: the caller may not use it.
        """
        call = CURRENT_CALL.get()
        name = choice.name or self._default(choice, "" if call is None else call.routed_model)
        if call is not None and call.check_model is not everyone:
            call.check_model(name)
        return name

    def opens(self, name: str) -> bool:
        """Whether the caller's key opens a model: lists hold no others."""
        try:
            self.resolve_name(ModelChoice(name=name))
        except PermissionDeniedError:
            return False
        return True

    def _default(self, choice: ModelChoice, routed: str) -> str:
        models = self._models
        if routed in models:
            return routed
        if len(models) == 1:
            return next(iter(models))
        if "default" in models:
            return "default"
        raise InvalidRequestError(
            "Missing ModelSpec" if choice.name is None else "ModelSpec has no name specified."
        )

    def resolve_version(self, name: str, choice: ModelChoice) -> int | None:
        """The version's number; None for the latest.

        Raises:
            InvalidRequestError: an unknown label.
        """
        if choice.label is None:
            return None if self._means_latest(name, choice.version) else choice.version
        version = self._labels.version_of(name, choice.label)
        if version is None:
            raise InvalidRequestError(f"Unrecognized servable version label: {choice.label}")
        return version

    def _means_latest(self, name: str, version: int | None) -> bool:
        """OpenVINO's clients write 0 for the latest version; a version 0 that is there is meant itself."""
        return version == 0 and all(report.servable_id.version != 0 for report in self.states.of(name))

    def reports(self, choice: ModelChoice) -> list[StateReport]:
        """States of a model's versions, highest first, or of one version.

        Raises:
            InvalidRequestError: as for ``acquire``.
            ServableNotFoundError: nothing is known of it.
        """
        name = self.resolve_name(choice)
        version = self.resolve_version(name, choice)
        found = self.states.of(name)
        if version is None:
            if not found:
                raise ServableNotFoundError(f"Could not find any versions of model {name}")
            return found
        found = [report for report in found if report.servable_id.version == version]
        if not found:
            raise ServableNotFoundError(f"Could not find version {version} of model {name}")
        return found

    def models(self) -> list[ModelConfig]:
        """What is configured, in the order of the configuration."""
        return list(self._models.values())

    def names(self) -> Collection[str]:
        """Of what is configured."""
        return self._models.keys()

    def labels_of(self, name: str) -> Mapping[str, int]:
        """Label -> version of one model."""
        return self._labels.of(name)

    def available(self) -> list[ServableId]:
        """What answers requests now, sorted."""
        return self._manager.available()

    def stop_loading(self) -> None:
        """Load nothing from now on; what serves goes on. A ``reload`` that waits for a model fails."""
        self._manager.stop_loading()

    def close(self, timeout: float | None = None) -> None:
        """Stop polling and unload everything, waiting at most ``timeout`` seconds for a download and the last handle."""
        begin = time.monotonic()
        if self._mirror is not None:
            self._mirror.stop(timeout)
        self._source.stop()
        self._manager.close(None if timeout is None else max(0.0, begin + timeout - time.monotonic()))

    def _replace(self, models: Sequence[ModelConfig]) -> None:
        located = self._located(models)
        self._models = {model.name: model for model in located}
        self._source.watch(located)
        tried: set[ServableId] = set()
        while not tried.issuperset(now := self._settled()):
            tried |= now
            # Where nothing of a model loaded, a lower version may.
            if not {model.name for model in located} <= {each.name for each in self._manager.available()}:
                self._look_again()

    def _settled(self) -> set[ServableId]:
        """Wait until nothing of the configured models loads; the versions that were tried."""

        def reports() -> list[StateReport]:
            return [report for report in self.states.all() if report.servable_id.name in self._models]

        self.states.wait_until(lambda: all(report.settled for report in reports()))
        return {report.servable_id for report in reports()}

    def _look_again(self) -> None:
        if self._mirror is not None:
            self._mirror.look()
        self._source.look()

    def _unusable(self, name: str) -> frozenset[int]:
        return frozenset(
            report.servable_id.version for report in self.states.of(name) if report.error is not None
        )

    def _located(self, models: Sequence[ModelConfig]) -> Sequence[ModelConfig]:
        """The models with base paths here; ConfigurationError for a remote one if there is nowhere to keep it."""
        if self._mirror is not None:
            return self._mirror.watch(models)
        for model in models:
            if model.origin:
                raise ConfigurationError(f"{model.origin} needs a folder to be kept in; set --cache_dir")
        return models

    def _missing(self, name: str) -> list[str]:
        """Why a model has no available version, as at most one sentence."""
        if any(servable_id.name == name for servable_id in self._manager.available()):
            return []
        errors = [str(report.error) for report in self.states.of(name) if report.error is not None]
        fault = self._source.fault(name)
        if self._mirror is not None:
            fault = self._mirror.fault(name) or fault
        return ["; ".join(errors) or fault or f"no version of model {name} could be loaded"]

    def _check_labels(self, models: Sequence[ModelConfig]) -> None:
        available = set(self._manager.available())
        for model in models:
            for version in model.labels.values():
                if ServableId(model.name, version) not in available:
                    raise LabelUnavailableError(
                        f"Request to assign label to version {version} of model {model.name}, "
                        "which is not currently available for inference"
                    )
