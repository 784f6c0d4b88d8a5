"""One request before any is measured: whether there is a server, whether it knows the model and takes these pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from accelserve.loadgen.errors import UnanswerableError
from accelserve.loadgen.plan import Form, Target
from accelserve.loadgen.requests import body_of
from accelserve.loadgen.senders import OK, Outcome, sender_for

# What servers say to a form that they did not expect, over gRPC and over HTTP; 500 is MLServer's word for binary tensors.
_REFUSED = frozenset({"INVALID_ARGUMENT", "400", "415", "422", "500"})


def forms_of(target: Target) -> Iterator[Form]:
    """The forms that a request may have, the likeliest first."""
    yield Form()
    if target.api != "kserve":
        return
    if target.pixels is None:
        yield Form(column=True)
    if target.over_http:
        yield Form(as_json=True)
        if target.pixels is None:
            yield Form(column=True, as_json=True)


def ask_once(target: Target, images: Sequence[bytes]) -> Form:
    """Send one request; over the Open Inference Protocol in other forms too, if the first is refused.

    Returns:
        The form that was answered.

    Raises:
        UnanswerableError: there is no answer, or an error; the sentence says which.
        LoadError: REST without a model's name.
    """
    outcomes: list[Outcome] = []
    for form in forms_of(target):
        outcomes.append(_outcome(target, images, form))
        if outcomes[-1].code == OK:
            return form
        if outcomes[-1].code not in _REFUSED:
            break
    first = outcomes[0]
    words = " ".join(first.words.split())
    raise UnanswerableError(f"{target.address} did not answer a first request: {first.code}: {words}")


def _outcome(target: Target, images: Sequence[bytes], form: Form) -> Outcome:
    # A connection each: a server may close it behind an error.
    sender = sender_for(target, 1)
    try:
        return sender.send(body_of(target, images, form))
    finally:
        sender.close()
