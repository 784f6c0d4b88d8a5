"""What every program checks before it computes."""

from __future__ import annotations

from collections.abc import Mapping

from accelserve.kernels.ir import Array, TensorType


def checked_batch(expected: Mapping[str, TensorType], inputs: Mapping[str, Array]) -> int:
    """Number of images in a batch.

    Args:
        expected: name -> type of each input for one image (leading dimension 1).
        inputs: name -> array [N, ...].

    Raises:
        ValueError: a name, dtype or shape differs, the batch is empty, or two inputs have different N.
    """
    if set(inputs) != set(expected):
        raise ValueError(f"expected inputs {sorted(expected)}, got {sorted(inputs)}")
    counts = set()
    for name, array in inputs.items():
        wanted = expected[name]
        if (
            array.dtype != wanted.dtype.numpy
            or array.shape[1:] != wanted.shape[1:]
            or array.ndim != len(wanted.shape)
        ):
            raise ValueError(
                f"input '{name}' must be {wanted.dtype.value}[N, {', '.join(map(str, wanted.shape[1:]))}], "
                f"got {array.dtype.name}{list(array.shape)}"
            )
        counts.add(array.shape[0])
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"every input must hold the same number of images, 1 or more; got {sorted(counts)}")
    return int(counts.pop())
