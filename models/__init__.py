"""What is served: networks imported, quantized, published, loaded.

``featurize`` is loaded when it is first asked for, so that importing the room stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelserve.models.serving.featurizing import featurize

__all__ = ["featurize"]


def __getattr__(name: str) -> object:
    if name == "featurize":
        from accelserve.models.serving.featurizing import featurize

        return featurize
    raise AttributeError(f"module 'accelserve.models' has no attribute '{name}'")
