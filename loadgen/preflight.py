"""One request before any is measured: whether there is a server, whether it knows the model and takes these pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelserve.loadgen.errors import UnanswerableError
from accelserve.loadgen.plan import Target
from accelserve.loadgen.requests import body_of
from accelserve.loadgen.senders import OK, sender_for

# What servers say to a shape that they did not expect, over gRPC and over HTTP.
_REFUSED = frozenset({"INVALID_ARGUMENT", "400"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """How the server wants the pictures.

    Attributes:
        column: encoded ones as [N, 1] rather than [N], which is what Triton asks of a model with a batch.
    """

    column: bool


def ask_once(target: Target, images: Sequence[bytes]) -> Accepted:
    """Send one request; encoded pictures over the Open Inference Protocol in the other shape too, if that is refused.

    Raises:
        UnanswerableError: there is no answer, or an error; the sentence says which.
        LoadError: REST without a model's name.
    """
    sender = sender_for(target, 1)
    try:
        outcome = sender.send(body_of(target, images))
        if outcome.code in _REFUSED and target.api == "kserve" and target.pixels is None:
            again = sender.send(body_of(target, images, column=True))
            if again.code == OK:
                return Accepted(column=True)
    finally:
        sender.close()
    if outcome.code != OK:
        words = " ".join(outcome.words.split())
        raise UnanswerableError(f"{target.address} did not answer a first request: {outcome.code}: {words}")
    return Accepted(column=False)
