"""Every operator that the intermediate representation has, found by its class."""

from __future__ import annotations

from collections.abc import Iterator

from accelserve.kernels import ir
from accelserve.kernels.ir.ops import Op


def operator_classes(base: type[Op] = Op) -> Iterator[type[Op]]:
    """Concrete ones: a family (Elementwise, Movement, ...) is no dataclass of its own.

    What other rooms derive for themselves, as the architectures their BatchNorm, never reaches a device.
    """
    for each in base.__subclasses__():
        # ``dataclass(slots=True)`` makes a second class and leaves the first one behind.
        finished = "__dataclass_params__" in vars(each) and "__slots__" in vars(each)
        if finished and each.__module__.startswith(f"{ir.__name__}."):
            yield each
        yield from operator_classes(each)
