"""``--input-shape``: sizes that an ONNX file leaves open."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import click

_Function = TypeVar("_Function", bound=Callable[..., object])
_SIZE = re.compile(r"0*[1-9][0-9]{0,17}")


def input_shape_option(function: _Function) -> _Function:
    """Adds the option; the command gets ``input_shapes``, name -> sizes."""
    option = click.option(
        "--input-shape",
        "input_shapes",
        multiple=True,
        metavar="NAME=1,3,224,224",
        callback=_parsed,
        help="Of an ONNX file that leaves sizes open, in its own order; repeatable.",
    )
    return option(function)


def _parsed(
    context: click.Context, parameter: click.Parameter, texts: Sequence[str]
) -> Mapping[str, tuple[int, ...]]:
    del context, parameter
    return dict(_one(text) for text in texts)


def _one(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, sizes = text.rpartition("=")  # a tensor's name may hold '=', sizes cannot
    numbers = [size.strip() for size in sizes.split(",")]
    if not name or not all(_SIZE.fullmatch(size) for size in numbers):
        raise click.BadParameter(f"'{text}' is not NAME=1,3,224,224")
    return name, tuple(map(int, numbers))
