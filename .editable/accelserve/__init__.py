"""Quantized image networks served over TensorFlow Serving's protocol, and from Python.

    import accelserve

    network = accelserve.load("servables/resnet50")
    probabilities = network.predict(["photo.jpg"])["output_alias"]

Importing this loads nothing; each name is loaded when it is first used. The client needs what ``pip install accelserve``
brings; ``Server``, ``load`` and ``convert`` need ``accelserve[server]``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelserve.client import (
        AsyncPredictionClient,
        ClientError,
        ModelSelection,
        PredictionClient,
        RetryPolicy,
        TlsOptions,
    )
    from accelserve.deployment.images.configuration import ImageConfiguration
    from accelserve.deployment.images.image import Image
    from accelserve.deployment.webservices.webservice import Webservice
    from accelserve.models.conversion.convert import Converted
    from accelserve.server.config import ServerConfig
    from accelserve.server.embedding import LoadedModel, Server, convert, load
    from accelserve.server.registered_models import AccelOnnxConverter, Model

    __version__: str

__all__ = [
    "AccelOnnxConverter",
    "AsyncPredictionClient",
    "ClientError",
    "Converted",
    "Image",
    "ImageConfiguration",
    "LoadedModel",
    "Model",
    "ModelSelection",
    "PredictionClient",
    "RetryPolicy",
    "Server",
    "ServerConfig",
    "TlsOptions",
    "Webservice",
    "__version__",
    "convert",
    "load",
]

_CLIENT = "accelserve.client"
_EMBEDDING = "accelserve.server.embedding"
_REGISTERED = "accelserve.server.registered_models"
_IMAGES = "accelserve.deployment.images"
_HOMES = {
    "AsyncPredictionClient": _CLIENT,
    "ClientError": _CLIENT,
    "ModelSelection": _CLIENT,
    "PredictionClient": _CLIENT,
    "RetryPolicy": _CLIENT,
    "TlsOptions": _CLIENT,
    "Converted": "accelserve.models.conversion.convert",
    "ServerConfig": "accelserve.server.config",
    "Image": f"{_IMAGES}.image",
    "ImageConfiguration": f"{_IMAGES}.configuration",
    "LoadedModel": _EMBEDDING,
    "Server": _EMBEDDING,
    "convert": _EMBEDDING,
    "load": _EMBEDDING,
    "Webservice": "accelserve.deployment.webservices.webservice",
    "AccelOnnxConverter": _REGISTERED,
    "Model": _REGISTERED,
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("accelserve")
    elif name in _HOMES:
        value = getattr(_module(name), name)
    else:
        raise AttributeError(f"module 'accelserve' has no attribute '{name}'")
    globals()[name] = value  # found without this function from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _module(name: str) -> object:
    try:
        return import_module(_HOMES[name])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "accelserve":
            raise
        raise ModuleNotFoundError(
            f"accelserve.{name} needs the package '{error.name}': pip install 'accelserve[server]'",
            name=error.name,
        ) from error
