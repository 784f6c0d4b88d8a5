"""From what a checkpoint holds to plain weights: finds the ``state_dict`` in it and undoes what wrappers did to names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from accelserve.models.errors import ModelFileError

Tensors: TypeAlias = dict[str, NDArray[np.generic]]

_WRAPPERS: Final = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "backbone",
)
_PREFIXES: Final = ("module.", "_orig_mod.", "model.", "net.")
_COUNTER: Final = ".num_batches_tracked"  # counts training steps; inference does not read it


def find_state_dict(source: str, root: object) -> Tensors:
    """The weights in a checkpoint.

    Training scripts wrap the ``state_dict`` in a dictionary (``model``, ``state_dict``, ...), ``DataParallel`` and
    ``torch.compile`` prefix its names (``module.``, ``_orig_mod.``): both are undone.

    Args:
        source: the file, for messages.
        root: what the checkpoint holds.

    Raises:
        ModelFileError: if there are no named tensors in it.
    """
    tensors = _named_tensors(root)
    for wrapper in _WRAPPERS:
        if tensors:
            break
        if isinstance(root, Mapping) and wrapper in root:
            tensors = _named_tensors(root[wrapper]) or _named_tensors(_state_dict_of(root[wrapper]))
    if not tensors:
        found = ", ".join(map(str, root)) if isinstance(root, Mapping) else type(root).__name__
        raise ModelFileError(
            source,
            f"no named weights in it, only {found or 'nothing'}; save them with torch.save(model.state_dict(), path)",
        )
    return _without_prefixes({k: v for k, v in tensors.items() if not k.endswith(_COUNTER)})


def _named_tensors(value: object) -> Tensors:
    if not isinstance(value, Mapping):
        return {}
    return {k: v for k, v in value.items() if isinstance(k, str) and isinstance(v, np.ndarray)}


def _state_dict_of(value: object) -> object:
    return value.get("state_dict") if isinstance(value, Mapping) else None


def _without_prefixes(tensors: Tensors) -> Tensors:
    for _ in _PREFIXES:
        for prefix in _PREFIXES:
            if tensors and all(name.startswith(prefix) for name in tensors):
                tensors = {name.removeprefix(prefix): array for name, array in tensors.items()}
    return tensors
