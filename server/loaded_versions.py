"""Asks servers whether they have a version of a model loaded: GetModelStatus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from accelserve.server.errors import ServerError

if TYPE_CHECKING:
    from accelserve.client import TlsOptions

_LOADED = frozenset(("LOADING", "AVAILABLE", "UNLOADING"))
_TIMEOUT_SECONDS = 5.0


class Answers(NamedTuple):
    """What servers said.

    Attributes:
        loaded_by: addresses of those that have it loaded.
        unseen: address -> why it could not be asked.
    """

    loaded_by: list[str]
    unseen: dict[str, str]


class UnseenServerError(ServerError):
    """A server that was named could not be asked.

    Attributes:
        unseen: address -> why.
    """

    def __init__(self, unseen: dict[str, str]) -> None:
        self.unseen = dict(unseen)
        said = "; ".join(f"{address}: {reason}" for address, reason in unseen.items())
        super().__init__(
            f"could not see whether it is loaded by {said}; delete with --force in spite of that"
        )


def ask_servers(
    addresses: Iterable[str], name: str, version: int, *, token: str = "", tls: TlsOptions | None = None
) -> Answers:
    """Ask every address, HOST:PORT of gRPC, for a version; a server that does not know the model has not loaded it.

    Args:
        addresses: of the servers.
        name: of the model.
        version: of it.
        token: key to send.
        tls: certificates; None is plain text.
    """
    from accelserve.client import ClientError, ModelSelection, PredictionClient, RetryPolicy
    from accelserve.client.errors import ModelNotFoundError

    answers = Answers([], {})
    for address in addresses:
        retry = RetryPolicy(max_attempts=1)
        try:
            with PredictionClient(
                address, access_token=token, tls=tls, timeout_s=_TIMEOUT_SECONDS, retry=retry
            ) as client:
                found = client.model_status(model=ModelSelection(name=name))
        except ModelNotFoundError:
            continue
        except (ClientError, ValueError) as error:
            answers.unseen[address] = getattr(error, "details", "") or str(error)
            continue
        if any(each.version == version and each.state in _LOADED for each in found):
            answers.loaded_by.append(address)
    return answers
