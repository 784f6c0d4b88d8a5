"""Every operator that the intermediate representation has, found by its class."""

from __future__ import annotations

from collections.abc import Iterator

import accelserve.kernels.ir  # noqa: F401 - defines them
from accelserve.kernels.ir.ops import Op


def operator_classes(base: type[Op] = Op) -> Iterator[type[Op]]:
    """Concrete ones: a family (Elementwise, Movement, ...) is no dataclass of its own."""
    for each in base.__subclasses__():
        # ``dataclass(slots=True)`` makes a second class and leaves the first one behind.
        if "__dataclass_params__" in vars(each) and "__slots__" in vars(each):
            yield each
        yield from operator_classes(each)
