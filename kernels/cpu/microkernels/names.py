"""The grammar of kernel names.

::

    name     = op "_qu8_qc8w_" result "_" tile "__" instruction-set
    op       = "conv2d" | "widened2d" | "split2d" | "dwconv2d" | "winograd2d" | "winogradf4" | "winogradf2"
    result   = "f32" | "qu8" ["wide"] ["sat"] ["mid"] ["res" | "reszero"]
    tile     = rows "x" channels "c" group ["u" unroll] ["t" tiles] ["p"]

``qu8`` is uint8 with a zero point per tensor, ``qc8w`` int8 weights with a scale per output channel. The result is
float32, or uint8 after an intermediate quantization (``mid``) and a residual (``res``, ``reszero`` if its zero point is
0) if there are such; ``wide`` if scaled sums may leave int32, ``sat`` if saturation alone bounds the result. A tile is ``rows`` output pixels by ``channels`` output channels, ``group`` input channels
per dot product, ``unroll`` dot products per turn of the innermost loop, ``tiles`` matrix tiles that share the rows; ``p`` kernels prefetch
weights.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_GRAMMAR = re.compile(
    r"(?P<op>conv2d|widened2d|split2d|dwconv2d|winograd2d|winogradf[42])_qu8_qc8w_(?P<result>f32|qu8(?:wide)?(?:sat)?(?:mid)?(?:res(?:zero)?)?)"
    r"_(?P<rows>\d+)x(?P<channels>\d+)c(?P<group>\d+)(?:u(?P<unroll>\d+))?(?:t(?P<tiles>\d+))?(?P<prefetch>p)?"
    r"__(?P<isa>[a-z0-9]+)"
)


@dataclass(frozen=True, slots=True)
class ResultKind:
    """What an epilogue makes: float32, or uint8 with or without its two optional parts.

    Attributes:
        quantized: to uint8.
        intermediate: quantized once before the residual is added.
        residual: another tensor is added.
        wide: scaled sums may leave int32.
        saturates: the zero point is 0 and the bounds are 0 and 255, so that saturation alone bounds the result.
        residual_from_zero: the residual's zero point is 0.
    """

    quantized: bool
    intermediate: bool = False
    residual: bool = False
    wide: bool = False
    saturates: bool = False
    residual_from_zero: bool = False

    def __str__(self) -> str:
        if not self.quantized:
            return "f32"
        parts = ("wide" * self.wide, "sat" * self.saturates, "mid" * self.intermediate)
        return "".join(("qu8", *parts, "res" * self.residual, "zero" * self.residual_from_zero))

    @property
    def unpacked(self) -> ResultKind:
        """The kind without what only the packed epilogue tells apart."""
        return replace(self, wide=False, saturates=False, residual_from_zero=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelName:
    """A kernel's name, taken apart."""

    op: str
    result: ResultKind
    rows: int
    channels: int
    group: int
    isa: str
    unroll: int = 1
    tiles: int = 1
    prefetch: bool = False

    def __str__(self) -> str:
        unroll = f"u{self.unroll}" if self.unroll > 1 else ""
        tiles = f"t{self.tiles}" if self.tiles > 1 else ""
        tile = f"{self.rows}x{self.channels}c{self.group}{unroll}{tiles}{'p' * self.prefetch}"
        return f"{self.op}_qu8_qc8w_{self.result}_{tile}__{self.isa}"


def _kind(result: str) -> ResultKind:
    return ResultKind(
        quantized=result != "f32",
        intermediate="mid" in result,
        residual="res" in result,
        wide="wide" in result,
        saturates="sat" in result,
        residual_from_zero="reszero" in result,
    )


def parse(name: str) -> KernelName:
    """Take a name apart; ValueError if it breaks the grammar."""
    match = _GRAMMAR.fullmatch(name)
    if match is None:
        raise ValueError(f"'{name}' is not a kernel name; the grammar is in {__name__}")
    return KernelName(
        op=match["op"],
        result=_kind(match["result"]),
        rows=int(match["rows"]),
        channels=int(match["channels"]),
        group=int(match["group"]),
        isa=match["isa"],
        unroll=int(match["unroll"] or 1),
        tiles=int(match["tiles"] or 1),
        prefetch=match["prefetch"] is not None,
    )
