"""The algebra of exact integer Winograd convolutions: F(4x4, 3x3) and F(2x2, 3x3) with every fraction multiplied away.

A tile of m x m outputs of a 3x3 window at stride 1 is ``A ((G w G^T) * (B d B^T)) A^T``, with d the n x n patch of the
input under it, n = m + 2, and ``*`` element by element (Lavin and Gray, "Fast algorithms for convolutional neural
networks", CVPR 2016). Their matrices have fractions; with the rows of G multiplied until they are integers (by 24, and
by 12 in the last one; signs chosen so that nothing is negated) what comes out is ``scale`` times the sum, exactly:
576 for F(4x4), 4 for F(2x2). The identity is one of integer polynomials, so it holds modulo 2**32 as well, where sums
of any length are allowed to wrap; ``scale`` times the sum becomes the sum times ``2**shift`` by the inverse of
its odd part. That, as int32, is the true value as long as ``- 2**(31 - shift) <= sum < 2**(31 - shift)``.

A length that is no multiple of 4 is cut into shorter *spans*, too: three outputs take five of F(4x4)'s six taps. Their
transform is Toom and Cook's on the points that it has in common with F(4x4), so that both take the same transformed
weights; what those lack in factors stands in the transform of the results, whose scale is the same.

A *row* function takes a row of operands to a row of the transform; applied to columns, then to rows, it is the whole.
They are written over any arithmetic, so that tests prove by numpy what kernels run as vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

Row: TypeAlias = Sequence[Any]

KERNEL = 3


class Arithmetic(Protocol):
    """Integers that may wrap."""

    def add(self, a: Any, b: Any) -> Any:
        """``a + b``."""

    def sub(self, a: Any, b: Any) -> Any:
        """``a - b``."""

    def shl(self, a: Any, bits: int) -> Any:
        """``a * 2**bits``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How a tile is transformed in one direction.

    Attributes:
        outputs: rows or columns of results.
        taps: which of the form's it has, ``outputs + 2``.
        input_row: B, from ``outputs + 2`` values to the taps; of bytes int16, after both directions.
        output_row: A, from the taps to ``outputs``, modulo 2**32.
        bias: a bias in ``BIAS_TAP`` times this goes once into every output, modulo 2**32.
    """

    outputs: int
    taps: tuple[int, ...]
    input_row: Callable[[Arithmetic, Row], list[Any]]
    output_row: Callable[[Arithmetic, Row], list[Any]]
    bias: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One of the two forms.

    Attributes:
        spans: of a tile, the longest first; each further one is an output shorter.
        scale: of what the transforms make, in units of the sum.
        inverse: of the odd part of ``scale``, modulo 2**32.
        shift: ``scale * inverse == 2**shift`` modulo 2**32.
        weight_row: G, from 3 values to n, int16.
    """

    spans: tuple[Span, ...]
    scale: int
    inverse: int
    shift: int
    weight_row: Callable[[Arithmetic, Row], list[Any]]

    @property
    def outputs(self) -> int:
        """m: rows and columns of the largest tile's results."""
        return self.spans[0].outputs

    @property
    def side(self) -> int:
        """n: rows and columns of its patch, and of its transform, whose elements are *taps*."""
        return self.outputs + KERNEL - 1

    @property
    def taps(self) -> int:
        """Products for each pair of channels."""
        return self.side * self.side

    @property
    def bound(self) -> int:
        """Sums from ``-bound`` to ``bound - 1`` are told apart."""
        return int(2 ** (31 - self.shift))

    def cut(self, length: int) -> tuple[int, int]:
        """How many longest spans cover so many rows or columns, and how many of the next length behind them."""
        spans = -(-length // self.outputs)
        shorter = min(spans, spans * self.outputs - length) if len(self.spans) > 1 else 0
        return spans - shorter, shorter

    def __str__(self) -> str:
        return f"f{self.outputs}"


def _input_row_4(a: Arithmetic, d: Row) -> list[Any]:
    even, odd = a.sub(a.shl(d[2], 2), d[4]), a.sub(a.shl(d[1], 2), d[3])
    difference, twice = a.sub(d[4], d[2]), a.shl(a.sub(d[3], d[1]), 1)
    return [
        a.add(a.shl(a.sub(d[0], d[2]), 2), difference),
        a.add(odd, even),
        a.sub(odd, even),
        a.add(difference, twice),
        a.sub(difference, twice),
        a.sub(a.sub(d[5], d[3]), a.shl(twice, 1)),
    ]


def _weight_row_4(a: Arithmetic, w: Row) -> list[Any]:
    outer, middle = a.add(w[0], w[2]), a.shl(w[1], 1)
    four = a.shl(w[2], 2)
    wide = a.add(w[0], four)
    return [
        a.shl(a.add(w[0], a.shl(w[0], 1)), 1),
        a.shl(a.add(outer, w[1]), 2),
        a.shl(a.sub(w[1], outer), 2),
        a.add(wide, middle),
        a.sub(wide, middle),
        a.add(four, a.shl(four, 1)),
    ]


def _output_row_4(a: Arithmetic, m: Row) -> list[Any]:
    p, q, r, s = a.add(m[1], m[2]), a.sub(m[1], m[2]), a.add(m[3], m[4]), a.sub(m[3], m[4])
    return [
        a.add(a.add(m[0], p), r),
        a.add(q, a.shl(s, 1)),
        a.add(p, a.shl(r, 2)),
        a.add(q, a.shl(a.add(a.shl(s, 2), m[5]), 1)),
    ]


def _input_row_3(a: Arithmetic, d: Row) -> list[Any]:
    twice, difference = a.shl(d[1], 1), a.sub(d[3], d[1])
    return [
        a.add(a.shl(a.sub(d[0], d[2]), 1), difference),
        a.sub(a.add(twice, d[2]), d[3]),
        a.add(a.sub(a.sub(twice, a.shl(d[2], 1)), d[2]), d[3]),
        difference,
        a.sub(a.sub(d[4], d[2]), a.shl(difference, 1)),
    ]


def _output_row_3(a: Arithmetic, m: Row) -> list[Any]:
    p, r = a.add(m[1], a.shl(m[1], 1)), a.shl(m[3], 1)
    q = a.add(p, m[2])
    return [
        a.add(a.shl(a.add(m[0], r), 1), q),
        a.add(a.sub(p, m[2]), a.shl(r, 2)),
        a.add(q, a.shl(a.add(a.shl(r, 2), m[4]), 1)),
    ]


def _input_row_2(a: Arithmetic, d: Row) -> list[Any]:
    return [a.sub(d[0], d[2]), a.add(d[1], d[2]), a.sub(d[2], d[1]), a.sub(d[1], d[3])]


def _weight_row_2(a: Arithmetic, w: Row) -> list[Any]:
    outer = a.add(w[0], w[2])
    return [a.shl(w[0], 1), a.add(outer, w[1]), a.sub(outer, w[1]), a.shl(w[2], 1)]


def _output_row_2(a: Arithmetic, m: Row) -> list[Any]:
    return [a.add(a.add(m[0], m[1]), m[2]), a.sub(a.sub(m[1], m[2]), m[3])]


F4 = Form(
    spans=(
        Span(outputs=4, taps=(0, 1, 2, 3, 4, 5), input_row=_input_row_4, output_row=_output_row_4),
        Span(
            outputs=3,
            taps=(0, 1, 2, 3, 5),
            input_row=_input_row_3,
            output_row=_output_row_3,
            bias=0xAAAAAAAB,  # the inverse of 3
        ),
    ),
    scale=576,
    inverse=0x38E38E39,  # of 9
    shift=6,
    weight_row=_weight_row_4,
)
"""2.25 products of int16 an output instead of 9: transformed inputs within -8160..17340, weights within +-18432."""

F2 = Form(
    spans=(Span(outputs=2, taps=(0, 1, 2, 3), input_row=_input_row_2, output_row=_output_row_2),),
    scale=4,
    inverse=1,
    shift=2,
    weight_row=_weight_row_2,
)
"""4 products per output: transformed inputs within -510..1020, weights within +-1152."""

FORMS = (F4, F2)

BIAS_TAP = 1
"""Row and column of the tap that goes into every output of a tile with the same factor, see ``Span.bias``."""
