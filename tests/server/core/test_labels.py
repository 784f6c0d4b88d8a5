"""Labels that somebody moves in the models' folders while a registry serves them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from accelserve.models.registry.labels import Labels
from accelserve.server.config import LoadingConfig, ModelConfig
from accelserve.server.core.echo import EchoLoader, EchoServable
from accelserve.server.core.registry import ModelChoice, ModelRegistry
from accelserve.server.core.servable import ServableId
from accelserve.server.core.states import VersionState
from accelserve.server.errors import InvalidRequestError, ServerError
from accelserve.server.version_policy import Everything, Specific, VersionPolicy

LOOKS_WHEN_TOLD = LoadingConfig(poll_seconds=3600, max_retries=0)


class HeldLoader(EchoLoader):
    """Loads a version of ``held`` only when it may."""

    def __init__(self) -> None:
        self.held: set[int] = set()
        self.may = threading.Event()

    def load(self, servable_id: ServableId, path: Path) -> EchoServable:
        if servable_id.version in self.held:
            self.may.wait()
        return super().load(servable_id, path)


class Served:
    """The model 'echo', versions 1 to 3, looked at when a test says so."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.loader = HeldLoader()
        self.registry: ModelRegistry[EchoServable] = ModelRegistry(self.loader, LOOKS_WHEN_TOLD)
        self.labels = Labels("echo", str(base))
        for version in (1, 2, 3):
            self.publish(version)

    def publish(self, version: int) -> None:
        hidden = self.base / f".{version}"
        hidden.mkdir(parents=True)
        (hidden / "greeting.txt").write_text(f"hello {version}")
        hidden.rename(self.base / str(version))

    def start(self, policy: VersionPolicy | None = None, **labels: int) -> None:
        model = ModelConfig(name="echo", base_path=self.base, labels=labels)
        if policy is not None:
            model = ModelConfig(name="echo", base_path=self.base, labels=labels, policy=policy)
        self.registry.start([model])

    def look(self) -> None:
        self.registry._source.look()

    def loaded(self) -> list[int]:
        """Versions that serve, once nothing loads or unloads any more."""
        settled = (VersionState.AVAILABLE, VersionState.END)
        self.registry.states.wait_until(
            lambda: all(report.state in settled or report.error for report in self.registry.states.all())
        )
        return [each.version for each in self.registry.available()]

    def answered_by(self, label: str) -> int:
        with self.registry.acquire(ModelChoice(name="echo", label=label)) as handle:
            return handle.servable_id.version


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "echo")
    yield made
    made.loader.may.set()
    made.registry.close()


def test_a_labelled_version_is_served_beside_the_latest(served: Served) -> None:
    served.labels.give("stable", 1)
    served.start()
    assert served.loaded() == [1, 3]
    assert served.answered_by("stable") == 1
    assert served.registry.labels_of("echo") == {"stable": 1}


def test_a_label_that_is_given_later_is_found_at_the_next_look(served: Served) -> None:
    served.start()
    with pytest.raises(InvalidRequestError, match="Unrecognized servable version label: stable"):
        served.answered_by("stable")
    served.labels.give("stable", 2)
    served.look()
    assert served.loaded() == [2, 3]
    assert served.answered_by("stable") == 2
    served.labels.remove("stable")
    served.look()
    assert served.loaded() == [3]
    with pytest.raises(InvalidRequestError, match="Unrecognized servable version label: stable"):
        served.answered_by("stable")


def test_a_promoted_label_stays_where_it_was_until_its_new_version_serves(served: Served) -> None:
    served.labels.give("stable", 1)
    served.start()
    served.loader.held = {2}
    served.labels.move("stable", 2)
    for _ in range(3):
        served.look()
        assert served.answered_by("stable") == 1
    served.loader.may.set()
    assert served.loaded() == [1, 2, 3]
    assert served.answered_by("stable") == 2
    served.look()
    assert served.loaded() == [2, 3]


def test_promote_and_roll_back_under_load_answer_every_request(served: Served) -> None:
    served.labels.give("stable", 1)
    served.start()
    seen: set[int] = set()
    ended, failures = threading.Event(), []

    def ask() -> None:
        while not ended.is_set():
            try:
                seen.add(served.answered_by("stable"))
            except ServerError as error:
                failures.append(error)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    for _ in range(10):
        for change in (lambda: served.labels.move("stable", 2), lambda: served.labels.roll_back("stable")):
            change()  # type: ignore[no-untyped-call]
            served.look()
            served.loaded()
            served.look()
            served.loaded()
    ended.set()
    for asker in askers:
        asker.join()
    assert failures == []
    assert seen == {1, 2}


def test_a_label_of_a_version_that_does_not_exist_stays_and_is_said_once(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.labels.give("stable", 1)
    served.start()
    served.labels.move("stable", 9)
    for _ in range(3):
        served.look()
    assert served.answered_by("stable") == 1
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == [
        "label stable of echo was put on version 9, which does not serve yet; it stays on version 1 until then"
    ]
    served.publish(9)
    served.look()
    assert served.loaded() == [1, 9]
    assert served.answered_by("stable") == 9


def test_the_configuration_wins(served: Served) -> None:
    served.labels.give("stable", 1)
    served.labels.give("canary", 2)
    served.start(Everything(), stable=3)
    assert [served.answered_by(label) for label in ("stable", "canary")] == [3, 2]
    assert served.registry.labels_of("echo") == {"stable": 3, "canary": 2}


def test_a_list_of_versions_is_not_lengthened_by_labels(served: Served) -> None:
    served.labels.give("stable", 1)
    served.start(Specific(frozenset({2})))
    served.look()
    assert served.loaded() == [2]
    with pytest.raises(InvalidRequestError, match="Unrecognized servable version label: stable"):
        served.answered_by("stable")


def test_labels_that_cannot_be_read_stay_as_they_were(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.labels.give("stable", 1)
    served.start()
    (served.base / ".accelserve" / "labels.json").write_text("{")
    for _ in range(3):
        served.look()
    assert served.answered_by("stable") == 1
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said) == 1
    assert said[0].startswith("labels of echo stay as they were: ")


def test_a_model_that_comes_back_has_forgotten_its_labels(served: Served) -> None:
    served.labels.give("stable", 1)
    served.start()
    served.registry.reload([])
    served.labels.remove("stable")
    served.registry.reload([ModelConfig(name="echo", base_path=served.base)])
    assert served.registry.labels_of("echo") == {}
    assert served.loaded() == [3]
