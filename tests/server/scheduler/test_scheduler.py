"""Batches form under load, nobody waits when idle, and one request's fault stays its own."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.server.waiting import until

from accelserve.server.config import BatchingConfig
from accelserve.server.core.servable import ServableId
from accelserve.server.errors import (
    DeadlineExceededError,
    QueueFullError,
    RequestAbandonedError,
    RequestCancelledError,
    TooManyRequestsError,
)
from accelserve.server.scheduler.decoding import DecodeSlots
from accelserve.server.scheduler.job import ComputeReport
from accelserve.server.scheduler.scheduler import DeviceScheduler
from accelserve.server.scheduler.watch import CallWatch

Array = NDArray[np.generic]
ONE = ServableId("one", 1)
TWO = ServableId("two", 1)


class Gate:
    """Open at first. Once cleared it holds whoever comes, until it is set or lets a few through."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._left = math.inf

    def set(self) -> None:
        self.let_through(math.inf)

    def clear(self) -> None:
        with self._changed:
            self._left = 0

    def let_through(self, more: float) -> None:
        with self._changed:
            self._left += more
            self._changed.notify_all()

    def wait(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._left > 0)
            self._left -= 1


class Doubler:
    """A device that answers twice its input, one call at a time, when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.open = Gate()
        self.busy = threading.Lock()

    def run(self, pixels: Array) -> dict[str, Array]:
        assert self.busy.acquire(blocking=False), "two batches at once on one device"
        try:
            self.batches.append(pixels[:, 0].tolist())
            self.entered.release()
            self.open.wait()
            return {"double": pixels.astype(np.int32) * 2}
        finally:
            self.busy.release()


class Expiring(CallWatch):
    """A deadline that passes when it is told to."""

    gone = False

    def abandonment(self) -> RequestAbandonedError | None:
        return DeadlineExceededError("Deadline Exceeded") if self.gone else None


class Asked(CallWatch):
    """Holds up whoever asks whether somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on = threading.Event(), threading.Event()

    def abandonment(self) -> RequestAbandonedError | None:
        self.asked.set()
        self.go_on.wait(60)
        return None


def images(*values: int) -> Array:
    return np.array(values, np.uint8).reshape(-1, 1)


class Harness:
    """A scheduler whose device is held by a first request while others queue up."""

    def __init__(self, side_by_side: int | None = None, **settings: int) -> None:
        self.side_by_side = side_by_side
        self.scheduler = DeviceScheduler(BatchingConfig(**settings))  # type: ignore[arg-type]
        self.device = Doubler()
        self.pool = ThreadPoolExecutor(32)

    def submit(
        self, *values: int, lane: ServableId = ONE, watch: CallWatch | None = None
    ) -> Future[ComputeReport]:
        return self.pool.submit(
            self.scheduler.compute,
            lane,
            self.device.run,
            images(*values),
            watch or CallWatch(),
            self.side_by_side,
        )

    def hold(self) -> Future[ComputeReport]:
        """Occupy the device."""
        self.device.open.clear()
        first = self.submit(0)
        self.device.entered.acquire()
        return first

    def queue(
        self, *values: int, lane: ServableId = ONE, watch: CallWatch | None = None
    ) -> Future[ComputeReport]:
        """Submit, and return once it waits in its lane."""
        before = self.waiting()
        future = self.submit(*values, lane=lane, watch=watch)
        until(lambda: self.waiting() > before)
        return future

    def waiting(self) -> int:
        with self.scheduler._lock:
            return sum(lane.images for lane in self.scheduler._queues.values())


@pytest.fixture
def harness() -> Iterator[Callable[..., Harness]]:
    made: list[Harness] = []

    def make(side_by_side: int | None = None, **settings: int) -> Harness:
        made.append(Harness(side_by_side, **settings))
        return made[-1]

    yield make
    for each in made:
        each.device.open.set()
        each.pool.shutdown()


def test_a_lone_request_computes_on_its_own_thread() -> None:
    seen: list[int] = []

    def run(pixels: Array) -> dict[str, Array]:
        seen.append(threading.get_ident())
        return {"same": pixels}

    report = DeviceScheduler(BatchingConfig()).compute(ONE, run, images(1, 2), CallWatch())
    assert seen == [threading.get_ident()]
    assert report.results["same"].tolist() == [[1], [2]]
    assert report.batch_images == 2


def test_what_queues_up_meanwhile_is_the_next_batch(harness: Callable[..., Harness]) -> None:
    h = harness()
    first = h.hold()
    futures = [h.queue(value) for value in (1, 2, 3)]
    h.device.open.set()
    assert [future.result(60).results["double"].tolist() for future in futures] == [[[2]], [[4]], [[6]]]
    assert first.result(60).batch_images == 1
    assert h.device.batches == [[0], [1, 2, 3]]


@pytest.mark.parametrize(
    ("side_by_side", "requests", "batches"),
    [
        (1, [[1], [2, 3], [4]], [[1], [2, 3], [4]]),
        (2, [[1], [2], [3], [4], [5]], [[1, 2], [3, 4], [5]]),
        (2, [[1, 2, 3], [4], [5]], [[1, 2, 3, 4], [5]]),
        (2, [[1], [2, 3], [4]], [[1], [2, 3], [4]]),  # no album is split for company
        (4, [[1], [2], [3]], [[1], [2], [3]]),  # too few for a core each: all share one after the other
        (4, [[1], [2, 3], [4], [5]], [[1, 2, 3, 4], [5]]),
        (16, [[1], [2], [3]], [[1], [2], [3]]),  # a batch is smaller than the device is wide
    ],
)
def test_company_is_taken_only_where_it_keeps_every_worker_busy(
    harness: Callable[..., Harness],
    side_by_side: int,
    requests: list[list[int]],
    batches: list[list[int]],
) -> None:
    h = harness(side_by_side)
    first = h.hold()
    futures = [h.queue(*values) for values in requests]
    h.device.open.set()
    for values, future in zip(requests, futures, strict=True):
        assert future.result(60).results["double"][:, 0].tolist() == [2 * value for value in values]
    first.result(60)
    assert h.device.batches == [[0], *batches]


def test_the_first_of_a_queue_are_answered_before_the_last_are_computed(
    harness: Callable[..., Harness],
) -> None:
    h = harness(2)
    first = h.hold()
    futures = [h.queue(value) for value in (1, 2, 3, 4)]
    h.device.open.let_through(2)
    assert [future.result(60).batch_images for future in (first, *futures[:2])] == [1, 2, 2]
    assert not any(future.done() for future in futures[2:])


def test_the_next_batch_is_taken_before_answers_are_written(
    harness: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accelserve.server.scheduler.scheduler._START_SECONDS", 60)
    h = harness(2)
    h.hold()
    pair, slow = [h.queue(1), h.queue(2)], Asked()
    last = h.queue(3, watch=slow)
    h.device.open.set()
    assert slow.asked.wait(60)
    assert not any(each.done() for each in pair)
    slow.go_on.set()
    for value, future in zip((1, 2, 3), (*pair, last), strict=True):
        assert future.result(60).results["double"].tolist() == [[2 * value]]
    assert h.device.batches == [[0], [1, 2], [3]]


@pytest.mark.parametrize("timeout_us", [0, 60_000_000])
def test_an_answer_waits_for_no_successor_that_does_not_start(
    harness: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch, timeout_us: int
) -> None:
    monkeypatch.setattr("accelserve.server.scheduler.scheduler._START_SECONDS", 60)
    h = harness(batch_timeout_us=timeout_us, max_batch_images=2)
    h.device.open.clear()
    first = h.submit(7, 7)
    h.device.entered.acquire()
    expired = Expiring()
    successor = h.queue(1, watch=expired)
    expired.gone = timeout_us == 0
    h.device.open.set()
    assert first.result(60).batch_images == 2
    if timeout_us:
        assert h.submit(2).result(60).batch_images == 2
        successor.result(60)


def test_who_is_gone_is_no_company(harness: Callable[..., Harness]) -> None:
    h = harness(2)
    h.hold()
    expired = Expiring()
    futures = [h.queue(1, watch=expired), h.queue(2), h.queue(3)]
    expired.gone = True
    h.device.open.set()
    with pytest.raises(DeadlineExceededError):
        futures[0].result(60)
    assert [future.result(60).batch_images for future in futures[1:]] == [2, 2]
    assert h.device.batches == [[0], [2, 3]]


def test_a_configured_wait_for_company_fills_whole_batches(harness: Callable[..., Harness]) -> None:
    h = harness(2, batch_timeout_us=60_000_000, max_batch_images=3)
    futures = [h.submit(value) for value in (1, 2, 3)]
    assert [future.result(60).batch_images for future in futures] == [3, 3, 3]


def test_a_large_request_is_split_and_lets_others_in_between(harness: Callable[..., Harness]) -> None:
    h = harness(max_batch_images=2)
    h.hold()
    large = h.queue(1, 2, 3, 4, 5)
    small = h.queue(9)
    h.device.open.set()
    assert large.result(60).results["double"].tolist() == [[2], [4], [6], [8], [10]]
    assert small.result(60).results["double"].tolist() == [[18]]
    assert h.device.batches == [[0], [1, 2], [9, 3], [4, 5]]


def test_models_take_turns(harness: Callable[..., Harness]) -> None:
    h = harness(max_batch_images=1)
    h.hold()
    futures = [h.queue(value) for value in (1, 2)]
    futures.append(h.queue(7, lane=TWO))
    h.device.open.set()
    for future in futures:
        future.result(60)
    assert h.device.batches == [[0], [1], [7], [2]]


def test_a_request_whose_deadline_passes_in_the_queue_is_not_computed(
    harness: Callable[..., Harness],
) -> None:
    h = harness()
    h.hold()
    patient = h.queue(2)
    hurried = h.submit(1, watch=CallWatch(timeout_seconds=0.01))
    with pytest.raises(DeadlineExceededError):
        hurried.result(60)
    h.device.open.set()
    assert patient.result(60).results["double"].tolist() == [[4]]
    assert h.device.batches == [[0], [2]]


def test_a_request_cancelled_in_the_queue_is_not_computed(harness: Callable[..., Harness]) -> None:
    h = harness()
    h.hold()
    watch = CallWatch()
    leaving = h.queue(1, watch=watch)
    patient = h.queue(2)
    watch.cancel()
    with pytest.raises(RequestCancelledError):
        leaving.result(60)
    h.device.open.set()
    patient.result(60)
    assert h.device.batches == [[0], [2]]


def test_a_large_request_cancelled_half_way_stops_there(harness: Callable[..., Harness]) -> None:
    h = harness(max_batch_images=1)
    h.device.open.clear()
    watch = CallWatch()
    large = h.submit(1, 2, 3, watch=watch)
    h.device.entered.acquire()
    watch.cancel()
    h.device.open.set()
    with pytest.raises(RequestCancelledError):
        large.result(60)
    assert h.device.batches == [[1]]


def test_a_failing_device_fails_the_batch_and_serves_the_next(harness: Callable[..., Harness]) -> None:
    h = harness()

    def broken(_pixels: Array) -> dict[str, Array]:
        raise OSError("the board is gone")

    with pytest.raises(OSError, match="the board is gone"):
        h.scheduler.compute(ONE, broken, images(1), CallWatch())
    assert h.submit(2).result(60).results["double"].tolist() == [[4]]


def test_a_batch_timeout_waits_for_company_and_no_longer(harness: Callable[..., Harness]) -> None:
    h = harness(batch_timeout_us=60_000_000, max_batch_images=2)
    first, second = h.submit(1), h.submit(2)
    first.result(60)
    second.result(60)
    assert sorted(map(sorted, h.device.batches)) == [[1, 2]]


def test_overload_is_refused_at_once_with_a_hint() -> None:
    gate = DeviceScheduler(BatchingConfig(max_queued_images=4)).gate
    gate.record("one", images=10, seconds=1.0)
    with gate.admitted("one", 3):
        with pytest.raises(TooManyRequestsError, match="one is overloaded: 3 images are queued") as caught:
            gate.admitted("one", 2).__enter__()
        assert caught.value.retry_after_ms == 150
        with gate.admitted("two", 4):
            pass
    with gate.admitted("one", 100):
        pass
    assert gate.waiting_images("one") == 0


def test_a_queue_that_is_too_long_in_time_is_refused() -> None:
    gate = DeviceScheduler(BatchingConfig(max_queue_delay_ms=1000)).gate
    gate.record("one", images=1, seconds=1.0)
    with (
        gate.admitted("one", 2),
        pytest.raises(TooManyRequestsError, match="the queue is 2000 ms long and may be 1000 ms"),
    ):
        gate.admitted("one", 1).__enter__()


def test_an_explicit_queue_refuses_in_tensorflow_servings_words() -> None:
    gate = DeviceScheduler(BatchingConfig(max_queued_images=1, explicit=True)).gate
    with (
        gate.admitted("one", 1),
        pytest.raises(
            QueueFullError, match=r"^The batch scheduling queue to which this task was submitted is full$"
        ),
    ):
        gate.admitted("one", 1).__enter__()


@settings(max_examples=40, deadline=None)
@given(
    requests=st.lists(
        st.tuples(st.lists(st.integers(0, 255), min_size=1, max_size=7), st.sampled_from([ONE, TWO])),
        max_size=24,
    ),
    max_batch=st.integers(1, 5),
    side_by_side=st.one_of(st.none(), st.integers(1, 6)),
)
def test_everyone_gets_their_own_answer(
    requests: list[tuple[list[int], ServableId]], max_batch: int, side_by_side: int | None
) -> None:
    h = Harness(side_by_side, max_batch_images=max_batch)
    with h.pool:
        futures = [h.submit(*values, lane=lane) for values, lane in requests]
        for (values, _), future in zip(requests, futures, strict=True):
            assert future.result(60).results["double"][:, 0].tolist() == [2 * value for value in values]
    assert all(len(batch) <= max_batch for batch in h.device.batches)
    assert h.waiting() == 0
    assert not h.scheduler._busy


def test_a_slot_to_decode_is_free_again_whatever_came_of_its_request() -> None:
    slots, cancelled = DecodeSlots(1), CallWatch()
    cancelled.cancel()
    for _ in range(3):
        with pytest.raises(RequestCancelledError):
            slots.slot(cancelled)
        with pytest.raises(ZeroDivisionError), slots.slot(CallWatch()):
            raise ZeroDivisionError
    with slots.slot(CallWatch()), pytest.raises(DeadlineExceededError):
        slots.slot(CallWatch(timeout_seconds=0.0))


def test_a_lone_request_that_fails_leaves_the_device_to_the_next() -> None:
    scheduler = DeviceScheduler(BatchingConfig())

    def broken(_pixels: Array) -> dict[str, Array]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        scheduler.compute(ONE, broken, images(1), CallWatch())
    report = scheduler.compute(ONE, Doubler().run, images(1, 2), CallWatch())
    assert report.results["double"].tolist() == [[2], [4]]
    assert (report.batch_images, report.queue_seconds >= 0) == (2, True)
