"""Labels of versions, from the configuration and from the models' own folders; the configuration wins.

TensorFlow Serving refuses a label whose version does not serve, and the label stays where it was. So here, for labels that
somebody moves in a repository while the server runs: one is followed when its new version serves, and until then it means
the version that it meant before, which stays loaded for as long. A label that meant nothing before is unknown until its
version serves.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from accelserve.server.config import ModelConfig
from accelserve.server.faults import FaultLog, Faults

_LOG = logging.getLogger(__name__)


class LabelTable:
    """Model -> label -> version. Thread-safe.

    Args:
        serves: whether a version of a model is available; called while the table is locked.
        log: of labels that cannot be followed.
    """

    def __init__(self, serves: Callable[[str, int], bool], log: FaultLog) -> None:
        self._serves = serves
        self._faults: Faults[tuple[str, str]] = Faults(log)
        self._lock = threading.Lock()
        self._configured: Mapping[str, Mapping[str, int]] = {}
        self._wanted: dict[str, Mapping[str, int]] = {}
        self._followed: dict[str, dict[str, int]] = {}
        self._awaited: dict[tuple[str, str], int] = {}
        self._unavailable_too = False

    def configure(self, models: Sequence[ModelConfig], *, allow_unavailable: bool) -> None:
        """Take the labels of a configuration, and forget models that are not in it.

        Args:
            models: all that are served.
            allow_unavailable: labels of repositories are followed to versions that do not serve, too.
        """
        with self._lock:
            self._configured = {model.name: model.labels for model in models}
            self._unavailable_too = allow_unavailable
            for name in set(self._wanted) - set(self._configured):
                del self._wanted[name]
                self._followed.pop(name, None)

    def found(self, name: str, labels: Mapping[str, int]) -> None:
        """Take what the model's own folder says now."""
        with self._lock:
            self._follow(name)  # what the labels before mean by now, in case nobody asked
            self._wanted[name] = dict(labels)
            self._follow(name)
            followed = self._followed[name]
            for label, version in labels.items():
                self._await((name, label), version, followed.get(label))

    def version_of(self, name: str, label: str) -> int | None:
        """The version that a label means; None if it means none."""
        return self.of(name).get(label)

    def of(self, name: str) -> Mapping[str, int]:
        """Label -> version of one model."""
        with self._lock:
            self._follow(name)
            return {**self._followed.get(name, {}), **self._configured.get(name, {})}

    def kept(self, name: str) -> frozenset[int]:
        """Versions that the model's own folder labels, and those that labels still mean: they are to be loaded."""
        with self._lock:
            return frozenset(self._wanted.get(name, {}).values()) | frozenset(
                self._followed.get(name, {}).values()
            )

    def _await(self, key: tuple[str, str], version: int, means: int | None) -> None:
        """Report a label that waits for its version at a second look, too: the first is while the version loads."""
        if means == version:
            self._awaited.pop(key, None)
            self._faults.clear(key)
        elif self._awaited.get(key) == version:
            self._faults.report(key, _not_followed(*key, version, means))
        self._awaited[key] = version

    def _follow(self, name: str) -> None:
        wanted = self._wanted.get(name, {})
        followed = self._followed.setdefault(name, {})
        for label in set(followed) - set(wanted):
            del followed[label]
        for label, version in wanted.items():
            before = followed.get(label)
            if before != version and (self._unavailable_too or self._serves(name, version)):
                followed[label] = version
                came = "" if before is None else f", before {before}"
                _LOG.info("label %s of %s is version %d%s", label, name, version, came)


def _not_followed(name: str, label: str, version: int, before: int | None) -> str:
    stays = "it is unknown until then" if before is None else f"it stays on version {before} until then"
    return f"label {label} of {name} was put on version {version}, which does not serve yet; {stays}"
