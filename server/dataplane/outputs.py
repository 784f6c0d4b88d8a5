"""Finds which outputs a request wants back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from accelserve.server.dataplane.inputs import matches
from accelserve.server.dataplane.servable import Signature
from accelserve.server.errors import InvalidRequestError


def wanted_outputs(signature: Signature, asked: Sequence[str]) -> Mapping[str, str]:
    """Name under which each wanted output goes back -> its alias, in the order asked for.

    Args:
        signature: what the model gives.
        asked: aliases or tensor names; none means all.

    Raises:
        InvalidRequestError: an unknown name, or one asked for twice.
    """
    if not asked:
        return {alias: alias for alias in signature.outputs}
    wanted: dict[str, str] = {}
    for name in asked:
        alias = next((alias for alias, spec in signature.outputs.items() if matches(name, alias, spec)), None)
        if alias is None:
            expected = ",".join(sorted(signature.outputs))
            raise InvalidRequestError(
                f"output tensor alias not found in signature: {name} "
                f"Outputs expected to be in the set {{{expected}}}."
            )
        if name in wanted:
            raise InvalidRequestError(f"duplicate output tensor alias: {name}")
        wanted[name] = alias
    return wanted
