"""The decision to try again, apart from any network."""

import math

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelserve.client.retry import LONGEST_CALL_S, CallBudget, Failure, RetryPolicy, failure_of
from accelserve.protos import google_rpc

CODES = st.sampled_from(list(grpc.StatusCode))
POLICIES = st.builds(
    lambda attempts, initial, factor: RetryPolicy(
        max_attempts=attempts, initial_backoff_s=initial, max_backoff_s=initial * factor
    ),
    st.integers(1, 100),
    st.floats(1e-6, 100),
    st.floats(1, 1e6),
)
FAILURES = st.builds(
    Failure,
    code=CODES,
    details=st.just("x"),
    retry_after_s=st.none() | st.floats(0, 1e6),
    is_retry_forbidden=st.booleans(),
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    policy=POLICIES,
    failures=st.lists(FAILURES, min_size=1, max_size=30),
    timeout_s=st.floats(0, 1e4),
    chance=st.floats(0, 1, exclude_max=True),
    call_s=st.floats(0, 10),
)
def test_no_call_outlives_its_deadline_or_its_attempts(
    policy: RetryPolicy, failures: list[Failure], timeout_s: float, chance: float, call_s: float
) -> None:
    clock = Clock()
    budget = CallBudget(policy=policy, timeout_s=timeout_s, clock=clock, chance=lambda: chance)
    for failure in failures:
        assert 0 <= budget.begin_attempt() <= timeout_s
        clock.now += call_s
        wait_s = budget.wait_s(failure)
        if wait_s is None:
            break
        assert failure.can_retry_help
        assert wait_s >= (failure.retry_after_s or 0)
        assert clock.now + wait_s < timeout_s
        clock.now += wait_s
    assert budget.attempts <= policy.max_attempts


@given(failure=FAILURES)
def test_only_servers_that_close_and_overload_with_a_hint_are_retried(failure: Failure) -> None:
    expected = not failure.is_retry_forbidden and (
        failure.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        or (failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED and failure.retry_after_s is not None)
    )
    assert failure.can_retry_help == expected


def test_waits_double_up_to_the_maximum_and_lie_in_their_upper_half() -> None:
    policy = RetryPolicy(max_attempts=1000, initial_backoff_s=0.1, max_backoff_s=0.5)
    failure = Failure(code=grpc.StatusCode.UNAVAILABLE, details="")
    for chance, expected in ((0.0, [0.05, 0.1, 0.2, 0.25, 0.25]), (1.0, [0.1, 0.2, 0.4, 0.5, 0.5])):
        budget = CallBudget(policy=policy, timeout_s=100, clock=lambda: 0.0, chance=lambda: chance)  # noqa: B023 - used within the iteration
        waits = []
        for _ in expected:
            budget.begin_attempt()
            waits.append(budget.wait_s(failure))
        assert waits == pytest.approx(expected)
    assert policy.backoff_s(100_000) == 0.5


def test_policies_are_checked() -> None:
    with pytest.raises(ValueError, match="at least once, got 0"):
        RetryPolicy(max_attempts=0)
    with pytest.raises(ValueError, match="initial_backoff_s"):
        RetryPolicy(initial_backoff_s=3, max_backoff_s=2)
    with pytest.raises(ValueError, match="initial_backoff_s"):
        RetryPolicy(initial_backoff_s=0)


class FailedCall(grpc.RpcError):
    """What gRPC raises, with the trailing metadata of the test."""

    def __init__(self, *metadata: tuple[str, str | bytes]) -> None:
        super().__init__()
        self._metadata = metadata

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str | None:
        return None

    # grpc's own stub has a private type here.
    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:  # type: ignore[override]
        return self._metadata


def details(*packed: google_rpc.ErrorInfo | google_rpc.RetryInfo) -> bytes:
    status = google_rpc.Status()
    for message in packed:
        status.details.add().Pack(message)
    return status.SerializeToString()


def retry_info(seconds: float) -> google_rpc.RetryInfo:
    info = google_rpc.RetryInfo()
    info.retry_delay.FromNanoseconds(int(seconds * 1e9))
    return info


@pytest.mark.parametrize(
    ("metadata", "retry_after_s", "is_forbidden"),
    [
        ((), None, False),
        ((("grpc-retry-pushback-ms", "250"),), 0.25, False),
        ((("grpc-retry-pushback-ms", "-1"),), None, True),
        ((("grpc-retry-pushback-ms", "?"),), None, True),
        (
            (("grpc-status-details-bin", details(google_rpc.ErrorInfo(reason="QUEUE"), retry_info(1.5))),),
            1.5,
            False,
        ),
        ((("grpc-status-details-bin", details(retry_info(-3))),), 0.0, False),
        ((("grpc-status-details-bin", details(google_rpc.ErrorInfo())),), None, False),
        ((("grpc-status-details-bin", b"\xff\xff"),), None, False),
        (
            (("grpc-status-details-bin", details(retry_info(9))), ("grpc-retry-pushback-ms", "100")),
            0.1,
            False,
        ),
    ],
    ids=[
        "none",
        "pushback",
        "negative",
        "no-number",
        "retry-info",
        "past",
        "other-detail",
        "broken",
        "pushback-wins",
    ],
)
def test_hints_are_read_from_the_trailing_metadata(
    metadata: tuple[tuple[str, str | bytes], ...], retry_after_s: float | None, is_forbidden: bool
) -> None:
    failure = failure_of(FailedCall(*metadata))
    assert (failure.retry_after_s, failure.is_retry_forbidden) == (retry_after_s, is_forbidden)
    assert (failure.code, failure.details) == (grpc.StatusCode.UNAVAILABLE, "")


def test_without_a_limit_an_attempt_has_the_longest_time_that_grpc_knows() -> None:
    assert CallBudget(policy=RetryPolicy(), timeout_s=math.inf).begin_attempt() == LONGEST_CALL_S
