"""Handlers of ONNX operators, a file for each family; every file of this folder is loaded."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
