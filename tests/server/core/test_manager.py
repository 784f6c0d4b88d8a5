"""Versions come and go; a request never notices."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from accelserve.server.config import LoadingConfig, ModelConfig
from accelserve.server.core.echo import EchoLoader, EchoServable
from accelserve.server.core.registry import ModelChoice, ModelRegistry
from accelserve.server.core.servable import ServableId
from accelserve.server.core.states import VersionState
from accelserve.server.errors import (
    ConfigurationError,
    InvalidRequestError,
    LabelUnavailableError,
    LoadError,
    ServableNotFoundError,
)
from accelserve.server.version_policy import Everything, Latest, Specific, VersionPolicy

LATEST = ModelChoice(name="echo")


def put(base: Path, version: int, greeting: str = "hello") -> Path:
    folder = base / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "greeting.txt").write_text(greeting)
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "echo"
    folder.mkdir()
    return folder


@pytest.fixture
def registry() -> Iterator[ModelRegistry[EchoServable]]:
    made = ModelRegistry(EchoLoader(), LoadingConfig(poll_seconds=0, retry_seconds=3600, max_retries=2))
    yield made
    made.close(timeout=60)


def served(base: Path, policy: VersionPolicy | None = None, **labels: int) -> list[ModelConfig]:
    return [ModelConfig(name="echo", base_path=base, policy=policy or Latest(), labels=labels)]


def settle(registry: ModelRegistry[EchoServable], *versions: int) -> None:
    wanted = [ServableId("echo", version) for version in versions]
    assert registry.states.wait_until(
        lambda: [r.servable_id for r in registry.states.all() if up(r.state)] == wanted, 240
    )


def up(state: VersionState) -> bool:
    return state is VersionState.AVAILABLE


def answer(registry: ModelRegistry[EchoServable], choice: ModelChoice = LATEST) -> str:
    with registry.acquire(choice) as handle:
        return f"{handle.servable_id.version} {handle.servable.answer('world')}"


def test_the_latest_version_answers(registry: ModelRegistry[EchoServable], base: Path) -> None:
    put(base, 1, "hi")
    put(base, 3, "hello")
    put(base, 20, "good day")
    registry.start(served(base))
    assert answer(registry) == "20 good day world"
    assert [str(servable_id) for servable_id in registry.available()] == ["echo/20"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Latest(2), [3, 20]),
        (Everything(), [1, 3, 20]),
        (Specific(frozenset({1, 3, 99})), [1, 3]),
    ],
    ids=["latest-2", "all", "specific"],
)
def test_policies_choose_versions(
    registry: ModelRegistry[EchoServable], base: Path, policy: VersionPolicy, expected: list[int]
) -> None:
    for version in (1, 3, 20):
        put(base, version)
    registry.start(served(base, policy))
    assert [servable_id.version for servable_id in registry.available()] == expected


def test_children_that_are_no_versions_are_skipped(registry: ModelRegistry[EchoServable], base: Path) -> None:
    put(base, 2)
    (base / "notes").mkdir()
    (base / ".unfinished-9").mkdir()
    (base / "7").write_text("a file")
    (base / "٣").mkdir()
    registry.start(served(base, Everything()))
    assert [servable_id.version for servable_id in registry.available()] == [2]


def test_a_folder_whose_name_is_no_int64_is_skipped(
    registry: ModelRegistry[EchoServable], base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(base, 2)
    put(base, 99999999999999999999)
    registry.start(served(base, Everything()))
    assert [servable_id.version for servable_id in registry.available()] == [2]


def test_two_folders_of_one_version_are_both_named(
    registry: ModelRegistry[EchoServable], base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(base, 123, "hello")
    put(base, 123).rename(base / "00123")
    put(base, 123, "hi")
    registry.start(served(base))
    assert answer(registry) == "123 hi world"
    assert [record.getMessage() for record in caplog.records if "00123" in record.getMessage()] == [
        f"{base}: 123, 00123 are the same version, 123 counts"
    ]


def test_a_version_with_zeros_in_front_is_served(registry: ModelRegistry[EchoServable], base: Path) -> None:
    """TensorFlow Serving's own examples have a folder ``00000123``."""
    put(base, 123).rename(base / "00000123")
    registry.start(served(base))
    assert answer(registry) == "123 hello world"


def test_a_start_beside_broken_versions_serves_the_newest_whole_one(
    registry: ModelRegistry[EchoServable], base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(base, 1, "hi")
    put(base, 2, "hello")
    for version in (3, 4):
        put(base, version, "")
    registry.start(served(base))
    assert answer(registry) == "2 hello world"
    (report,) = registry.reports(ModelChoice(name="echo", version=4))
    assert report.error is not None
    assert sum("loading echo/4 failed" in record.getMessage() for record in caplog.records) == 1
    put(base, 4, "good day")
    registry.reload(served(base))
    assert answer(registry) == "4 good day world"
    registry.reload(served(base))
    settle(registry, 4)


def test_no_other_version_stands_in_for_those_that_a_policy_names(
    registry: ModelRegistry[EchoServable], base: Path
) -> None:
    put(base, 1)
    put(base, 2, "")
    with pytest.raises(LoadError):
        registry.start(served(base, Specific(frozenset({2}))))


def test_the_cause_of_a_failed_start_is_said_once(
    registry: ModelRegistry[EchoServable], base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By the error, which whoever started the server shows; the log would say the same, and that it is tried again."""
    put(base, 1, "")
    with pytest.raises(LoadError):
        registry.start(served(base))
    assert caplog.records == []


@pytest.mark.parametrize("missing", ["nowhere", "."])
def test_so_is_that_of_a_folder_without_versions(
    registry: ModelRegistry[EchoServable], base: Path, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    with pytest.raises(LoadError, match="echo"):
        registry.start(served(base / missing))
    assert caplog.records == []


def test_a_label_for_a_version_that_is_not_there_ends_the_start(
    registry: ModelRegistry[EchoServable], base: Path
) -> None:
    """TensorFlow Serving's ``ServerCore::UpdateModelVersionLabelMap``, in its words."""
    put(base, 1)
    with pytest.raises(
        LabelUnavailableError,
        match=r"^Request to assign label to version 2 of model echo, which is not currently available for inference$",
    ):
        registry.start(served(base, stable=1, canary=2))


def test_with_the_flag_such_a_label_is_taken(registry: ModelRegistry[EchoServable], base: Path) -> None:
    put(base, 1)
    registry.start(served(base, canary=2), allow_unavailable_labels=True)
    with pytest.raises(ServableNotFoundError):
        answer(registry, ModelChoice(name="echo", label="canary"))


def test_a_new_version_replaces_the_old_one(registry: ModelRegistry[EchoServable], base: Path) -> None:
    put(base, 1)
    registry.start(served(base))
    put(base, 2, "bonjour")
    registry.reload(served(base))
    assert answer(registry) == "2 bonjour world"
    settle(registry, 2)


def test_a_version_in_use_is_unloaded_when_its_last_request_ends(
    registry: ModelRegistry[EchoServable], base: Path
) -> None:
    put(base, 1)
    registry.start(served(base))
    first, second = registry.acquire(LATEST), registry.acquire(LATEST)
    put(base, 2)
    registry.reload(served(base))
    (report,) = registry.reports(ModelChoice(name="echo", version=1))
    assert report.state is VersionState.UNLOADING
    first.release()
    first.release()
    assert second.servable.answer("still") == "hello still"
    second.release()
    assert registry.states.wait_until(
        lambda: registry.reports(ModelChoice(name="echo", version=1))[0].state is VersionState.END, 240
    )
    assert second.servable.closed


def test_a_broken_version_never_replaces_a_good_one_and_says_why(
    registry: ModelRegistry[EchoServable], base: Path
) -> None:
    put(base, 1)
    registry.start(served(base))
    broken = put(base, 2, "")
    registry.reload(served(base))
    assert answer(registry) == "1 hello world"
    new, old = registry.reports(LATEST)
    assert (new.state, str(new.error)) == (VersionState.START, "echo/2: greeting.txt is empty")
    assert old.state is VersionState.AVAILABLE

    # Completing the copy makes it load at the next look, long before the retry would be due.
    (broken / "greeting.txt").write_text("now whole")
    registry.reload(served(base))
    assert answer(registry) == "2 now whole world"


def test_a_load_is_retried_and_then_rests(base: Path) -> None:
    put(base, 1, "")
    registry = ModelRegistry(EchoLoader(), LoadingConfig(poll_seconds=0, retry_seconds=0.001, max_retries=3))
    with pytest.raises(LoadError, match=r"greeting\.txt is empty"):
        registry.start(served(base))
    assert registry.states.wait_until(lambda: registry.reports(LATEST)[0].state is VersionState.END, 240)
    registry.close(timeout=60)


def test_a_load_that_hangs_holds_nothing_else_up(tmp_path: Path) -> None:
    free = threading.Event()

    class Stubborn(EchoLoader):
        def load(self, servable_id: ServableId, path: Path) -> EchoServable:
            if servable_id.name == "slow":
                free.wait()
            return super().load(servable_id, path)

    put(tmp_path / "quick", 1)
    put(tmp_path / "slow", 1)
    registry = ModelRegistry(Stubborn(), LoadingConfig(poll_seconds=0, load_threads=2))
    models = [ModelConfig(name=name, base_path=tmp_path / name) for name in ("slow", "quick")]
    starting = threading.Thread(target=registry.start, args=(models,))
    starting.start()
    try:
        assert registry.states.wait_until(
            lambda: any(up(r.state) for r in registry.states.all() if r.servable_id.name == "quick"), 240
        )
        assert answer(registry, ModelChoice(name="quick")) == "1 hello world"
    finally:
        free.set()
        starting.join()
        registry.close(timeout=60)


class HeldLoader(EchoLoader):
    """Holds the loads of one version back until it may go on."""

    def __init__(self, held: int) -> None:
        self._held = held
        self.entered, self.free = threading.Event(), threading.Event()
        self.loaded: list[EchoServable] = []

    def load(self, servable_id: ServableId, path: Path) -> EchoServable:
        if servable_id.version == self._held:
            self.entered.set()
            self.free.wait()
        self.loaded.append(super().load(servable_id, path))
        return self.loaded[-1]


def test_once_nothing_is_to_load_what_serves_goes_on_and_nobody_waits(base: Path) -> None:
    loader = HeldLoader(held=2)
    registry = ModelRegistry(loader, LoadingConfig(poll_seconds=0, retry_seconds=3600))
    put(base, 1)
    registry.start(served(base))
    put(base, 2)
    with ThreadPoolExecutor(1) as pool:
        reload = pool.submit(registry.reload, served(base, Specific(frozenset({2}))))
        loader.entered.wait()
        registry.stop_loading()
        reload.result(timeout=60)  # version 1 serves the model still
    put(base, 3)
    registry.reload(served(base))
    assert [str(servable_id) for servable_id in registry.available()] == ["echo/1"]
    registry.close(timeout=0)  # whose loads nobody waits for
    assert not registry.available()
    assert not loader.loaded[1:]
    loader.free.set()
    registry.close(timeout=60)


def test_what_was_loaded_too_late_is_closed(base: Path, caplog: pytest.LogCaptureFixture) -> None:
    loader = HeldLoader(held=1)
    registry = ModelRegistry(loader, LoadingConfig(poll_seconds=0, retry_seconds=3600))
    put(base, 1)
    with ThreadPoolExecutor(1) as pool:
        start = pool.submit(registry.start, served(base))
        loader.entered.wait()
        registry.stop_loading()
        with pytest.raises(LoadError, match="no version of model echo could be loaded"):
            start.result(timeout=60)
    closing = threading.Thread(target=registry.close)
    closing.start()
    loader.free.set()
    closing.join(60)
    (servable,) = loader.loaded
    assert servable.closed
    assert not caplog.records


def test_a_model_left_out_of_a_reload_is_unloaded(registry: ModelRegistry[EchoServable], base: Path) -> None:
    put(base, 1)
    registry.start(served(base))
    registry.reload([])
    with pytest.raises(InvalidRequestError, match="Missing ModelSpec"):
        registry.acquire(ModelChoice())
    with pytest.raises(ServableNotFoundError, match=r"Servable not found for request: Latest\(echo\)"):
        registry.acquire(LATEST)


def test_a_folder_that_cannot_be_read_unloads_nothing(
    registry: ModelRegistry[EchoServable], base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(base, 1)
    registry.start(served(base))
    hidden = base.rename(base.with_name("elsewhere"))
    for _ in range(3):
        registry.reload(served(base))
    assert answer(registry) == "1 hello world"
    assert sum("Could not find base path" in record.getMessage() for record in caplog.records) == 1
    hidden.rename(base)


def test_an_empty_folder_is_explained(registry: ModelRegistry[EchoServable], base: Path) -> None:
    with pytest.raises(LoadError) as caught:
        registry.start(served(base))
    assert str(caught.value) == (
        f"No versions of servable echo found under base path {base}. "
        "Did you forget to name your leaf directory as a number (eg. '/1/')?"
    )


def test_labels(registry: ModelRegistry[EchoServable], base: Path) -> None:
    put(base, 1, "old")
    put(base, 2, "new")
    registry.start(served(base, Everything(), stable=1, canary=2))
    assert answer(registry, ModelChoice(name="echo", label="stable")) == "1 old world"
    assert answer(registry, ModelChoice(name="echo", label="canary")) == "2 new world"
    with pytest.raises(InvalidRequestError, match=r"^Unrecognized servable version label: beta$"):
        registry.acquire(ModelChoice(name="echo", label="beta"))
    with pytest.raises(LabelUnavailableError) as caught:
        registry.reload(served(base, Everything(), stable=7))
    assert str(caught.value) == (
        "Request to assign label to version 7 of model echo, which is not currently available for inference"
    )
    assert answer(registry, ModelChoice(name="echo", label="stable")) == "1 old world"


def test_a_name_listed_twice_is_refused(registry: ModelRegistry[EchoServable], base: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^Illegal to list model echo multiple times in config list$"
    ):
        registry.reload(served(base) * 2)


def test_three_hundred_swaps_under_load_lose_no_request(
    registry: ModelRegistry[EchoServable], base: Path
) -> None:
    put(base, 1)
    registry.start(served(base))
    stop, failures, answered = threading.Event(), [], 0

    def ask() -> None:
        nonlocal answered
        while not stop.is_set():
            try:
                answer(registry)
                answered += 1
            except Exception as error:  # noqa: BLE001 - collected for the assertion
                failures.append(error)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for version in range(2, 302):
        (base / str(version - 1)).rename(base / str(version))
        registry.reload(served(base))
    stop.set()
    for asker in askers:
        asker.join()
    assert failures == []
    assert answered > 0
    # Versions that a request held are unloaded on a pool, which on a busy machine has a backlog by now.
    settle(registry, 301)
    assert registry.states.wait_until(
        lambda: not any(r.state is VersionState.UNLOADING for r in registry.states.all()), 240
    )
    assert len(registry.states.all()) == registry.states.remembered + 1
