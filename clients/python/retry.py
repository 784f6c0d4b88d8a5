"""When a failed call is sent again, and after how long.

Only what another attempt can cure is retried: UNAVAILABLE, RESOURCE_EXHAUSTED when the server says when to come back, and
CANCELLED, which is never the caller's own here: gRPC's servers answer with it what reaches them while they close
(https://github.com/grpc/grpc/issues/41785). A wrong request stays wrong, and a call without an answer in time has no time
left.
"""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, cast

import grpc
from google.protobuf.message import DecodeError

from accelserve.client.errors import CallError, error_class
from accelserve.protos import google_rpc

PUSHBACK_KEY = "grpc-retry-pushback-ms"
STATUS_DETAILS_KEY = "grpc-status-details-bin"
# 27,000 hours, the longest that gRPC announces to a server. It takes times that overflow, infinity too, for times long past.
LONGEST_CALL_S: Final = 97_200_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently.

    The wait before attempt n + 1 lies between half and the whole of `initial_backoff_s * 2**(n - 1)`, at most
    `max_backoff_s`, by chance, so that clients which failed together do not come back together. A server's hint is
    waited for in full, and a random part of the backoff on top.

    Attributes:
        max_attempts: times that a request is sent at most; 1 never retries.
        initial_backoff_s: seconds, above 0.
        max_backoff_s: seconds, not below `initial_backoff_s`.
    """

    max_attempts: int = 4
    initial_backoff_s: float = 0.1
    max_backoff_s: float = 2.0

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts: a request is sent at least once, got {self.max_attempts}.")
        if not 0 < self.initial_backoff_s <= self.max_backoff_s:
            raise ValueError(
                "Expected 0 < initial_backoff_s <= max_backoff_s, "
                f"got {self.initial_backoff_s} and {self.max_backoff_s}."
            )

    def backoff_s(self, attempt: int) -> float:
        """The longest wait after the `attempt`-th failure (from 1), without a hint; seconds."""
        # The exponent is cut off where any float would have reached the maximum, before it overflows.
        return min(self.initial_backoff_s * 2.0 ** min(attempt - 1, 60), self.max_backoff_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failed attempt.

    Attributes:
        code: the status code.
        details: the status message.
        retry_after_s: the server's hint in seconds; None without one.
        is_retry_forbidden: the server asks not to be tried again.
    """

    code: grpc.StatusCode
    details: str
    retry_after_s: float | None = None
    is_retry_forbidden: bool = False

    @property
    def can_retry_help(self) -> bool:
        """Whether another attempt may end otherwise."""
        if self.is_retry_forbidden:
            return False
        if self.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return True
        # Without a hint this is a message that is too large, or a quota: as much so at the next attempt.
        return self.code is grpc.StatusCode.RESOURCE_EXHAUSTED and self.retry_after_s is not None


OUT_OF_TIME: Final = Failure(code=grpc.StatusCode.DEADLINE_EXCEEDED, details="Deadline Exceeded")
"""No answer, and no error either, in the time that an attempt had."""


def failure_of(error: grpc.RpcError) -> Failure:
    """Reads the error of a call, of `grpc` or `grpc.aio`."""
    # Pairs, whatever the stubs call them: named tuples from grpc, plain ones from grpc.aio, nothing where none came.
    metadata = list(cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ()))
    pushback_ms = _pushback_ms(metadata)
    if pushback_ms is not None:
        hint_s = pushback_ms / 1000 if pushback_ms >= 0 else None
    else:
        hint_s = _retry_info_s(metadata)
    return Failure(
        code=error.code(),
        details=error.details() or "",
        retry_after_s=hint_s,
        is_retry_forbidden=pushback_ms is not None and pushback_ms < 0,
    )


def _pushback_ms(metadata: Iterable[tuple[str, str | bytes]]) -> int | None:
    for key, value in metadata:
        if key == PUSHBACK_KEY:
            try:
                return int(value)
            except ValueError:
                # gRPC's retry design reads a value that is no number as "do not retry".
                return -1
    return None


def _retry_info_s(metadata: Iterable[tuple[str, str | bytes]]) -> float | None:
    for key, value in metadata:
        if key != STATUS_DETAILS_KEY or not isinstance(value, bytes):
            continue
        try:
            details = google_rpc.Status.FromString(value).details
            for detail in details:
                info = google_rpc.RetryInfo()
                if detail.Unpack(info):
                    return max(info.retry_delay.seconds + info.retry_delay.nanos / 1e9, 0.0)
        except DecodeError:
            return None
    return None


@dataclass(slots=True, kw_only=True)
class CallBudget:
    """The time and the attempts that one call has left. For one call in one thread.

    Attributes:
        policy: how often and how patiently.
        timeout_s: seconds for everything: all attempts and the waits between them; infinity sets no limit.
        clock: monotonic, in seconds.
        chance: uniform between 0 and 1.
        attempts: how many were begun.
    """

    policy: RetryPolicy
    timeout_s: float
    clock: Callable[[], float] = time.monotonic
    # Spreading retries needs no cryptographic chance.
    chance: Callable[[], float] = random.random
    attempts: int = 0
    _deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self._deadline = self.clock() + self.timeout_s

    def begin_attempt(self) -> float:
        """Counts an attempt; the seconds that it may take."""
        self.attempts += 1
        return min(max(self._deadline - self.clock(), 0.0), LONGEST_CALL_S)

    def wait_s(self, failure: Failure) -> float | None:
        """Seconds to wait before the next attempt; None if there is to be none.

        A wait that would leave no time for the attempt after it is no use: the call fails at once instead.
        """
        if self.attempts >= self.policy.max_attempts or not failure.can_retry_help:
            return None
        backoff_s = self.policy.backoff_s(self.attempts)
        if failure.retry_after_s is None:
            wait_s = backoff_s * (1 + self.chance()) / 2
        else:
            wait_s = failure.retry_after_s + backoff_s * self.chance()
        return wait_s if self.clock() + wait_s < self._deadline else None

    def error(self, failure: Failure, *, method: str, target: str) -> CallError:
        """The exception for a failure that is final."""
        return error_class(failure.code, failure.details)(
            code=failure.code,
            details=failure.details,
            method=method,
            target=target,
            attempts=self.attempts,
            retry_after_s=failure.retry_after_s,
        )
