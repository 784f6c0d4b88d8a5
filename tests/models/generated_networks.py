"""Small networks that nobody thought of, each from a number: operators, ranks, places of the batch, ways to quantize.

A network is an ONNX file with one image input ``x``. Some lose the batch on their way, or fold other axes into it; some
are float32, some hold QDQ pairs in one of the dialects of other people's quantizers, everywhere or here and there. Sizes
come from few values, so that many networks share their machine code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import onnx

from accelserve.kernels.ir import Array
from tests.models.importing.onnx_models import node, onnx_file

Shape = tuple[int, ...]
T = TypeVar("T")
CHANNELS = (1, 3, 4, 8, 16, 17)
MOST_ELEMENTS = 1 << 12
MOST_STEPS = 8
DIALECTS = ("float", "u8", "s8", "u8 weights", "weights only", "mixed")
UNARY = ("Relu", "LeakyRelu", "Sigmoid", "HardSwish", "Tanh", "HardSigmoid")


class GeneratedNetwork:
    """One network.

    Attributes:
        seed: what it is made from.
        content: the ONNX file.
        shape: of the input, [1, C, H, W].
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._random = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, Array] = {}
        self._dialect = self._pick(DIALECTS)
        self.shape: Shape = (
            1,
            self._pick((1, 3)),
            *(int(size) for size in self._random.integers(3, 9, 2)),
        )
        self._values: dict[str, Shape] = {"x": self.shape}
        self.content = self._grown()

    def _grown(self) -> bytes:
        self._conv("x")
        first = self._nodes[-1].output[0]
        for _ in range(self._random.integers(0, MOST_STEPS)):
            # Mostly what was made last, so that networks become deep.
            names = list(self._values)
            value = names[-1] if self._chance(0.7) else self._pick(names)
            self._pick(_STEPS)(self, value)
        outputs = [self._head(list(self._values)[-1])]
        if self._chance(0.2):
            outputs.append(self._named("Identity", self._pick(list(self._values)), "z"))
        if not self._needed_by(outputs, first):
            # It says that the input is NCHW; a transpose before any other layer would say NHWC.
            outputs.append(self._named("Identity", first, "first"))
        batch = "N" if self._chance(0.3) else 1
        return onnx_file(
            self._nodes,
            {"x": (batch, *self.shape[1:])},
            outputs,
            self._constants,
            opset=self._pick((14, 17, 21)),
        )

    def _needed_by(self, outputs: Sequence[str], value: str) -> bool:
        """Whether the value takes part in any of the outputs."""
        needed = set(outputs)
        for each in reversed(self._nodes):
            if not needed.isdisjoint(each.output):
                needed.update(each.input)
        return value in needed

    # --- choices ------------------------------------------------------------------------------------------------

    def _pick(self, choices: Sequence[T]) -> T:
        return choices[int(self._random.integers(len(choices)))]

    def _chance(self, share: float) -> bool:
        return bool(self._random.random() < share)

    def _whole(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``, both possible."""
        return int(self._random.integers(low, high + 1))

    # --- parts of the file --------------------------------------------------------------------------------------

    def _constant(self, array: Array) -> str:
        name = f"c{len(self._constants)}"
        self._constants[name] = array
        return name

    def _normal(self, *shape: int, gain: float = 1.0) -> Array:
        return np.asarray(self._random.standard_normal(shape) * gain, np.float32)

    def _emit(self, op: str, operands: str, shape: Shape, **attributes: object) -> str:
        name = self._named(op, operands, f"v{len(self._nodes)}", **attributes)
        if math.prod(shape) <= MOST_ELEMENTS:
            self._values[name] = shape
        return name

    def _named(self, op: str, operands: str, name: str, **attributes: object) -> str:
        self._nodes.append(node(op, operands, name, **attributes))
        return name

    # --- quantizer dialects -------------------------------------------------------------------------------------

    def _activation(self, value: str) -> str:
        """The value through a QDQ pair, if the dialect says so."""
        if self._dialect in ("float", "weights only") or (self._dialect == "mixed" and self._chance(0.5)):
            return value
        signed = self._dialect == "s8" or (self._dialect == "mixed" and self._chance(0.5))
        zero = np.int8(self._whole(-128, 127)) if signed else np.uint8(self._pick((0, 3, 128, 200)))
        scale = self._constant(np.array(self._pick((0.02, 0.05, 0.11)), np.float32))
        point = self._constant(np.array(zero))
        codes = self._named("QuantizeLinear", f"{value} {scale} {point}", f"q{len(self._nodes)}")
        return self._named("DequantizeLinear", f"{codes} {scale} {point}", f"d{len(self._nodes)}")

    def _weights(self, array: Array, axis: int) -> str:
        """Constant weights, dequantized from codes if the dialect says so."""
        if self._dialect == "float" or (self._dialect == "mixed" and self._chance(0.5)):
            return self._constant(array)
        each = self._chance(0.5)
        others = tuple(a for a in range(array.ndim) if a != axis)
        greatest = np.abs(array).max(others if each else None)
        scale = np.asarray(np.maximum(greatest, 1e-3) / 127, np.float32)
        spread = scale.reshape([-1 if a == axis else 1 for a in range(array.ndim)]) if each else scale
        unsigned = self._dialect == "u8 weights"
        zero = np.uint8(self._pick((0, 100, 128))) if unsigned else np.int8(0)
        kind = np.uint8 if unsigned else np.int8
        codes = np.clip(np.rint(array / spread) + int(zero), np.iinfo(kind).min, np.iinfo(kind).max).astype(
            kind
        )
        points = np.full(scale.shape, zero, kind)
        operands = f"{self._constant(codes)} {self._constant(scale)} {self._constant(points)}"
        attributes = {"axis": axis} if each else {}
        return self._named("DequantizeLinear", operands, f"w{len(self._nodes)}", **attributes)

    # --- steps: each takes a value of any rank, and does nothing with one that does not suit ------------------------

    def _conv(self, x: str) -> None:
        shape = self._values[x]
        if len(shape) != 4:
            return
        images, channels, rows, columns = shape
        groups = self._pick([g for g in (1, 1, 2, channels) if channels % g == 0])
        outputs = channels if groups == channels > 1 else groups * self._pick(CHANNELS)
        kernel = [self._whole(1, min(3, rows)), self._whole(1, min(3, columns))]
        pads, strides = [self._whole(0, 1) for _ in range(4)], [self._whole(1, 2) for _ in range(2)]
        fan_in = channels // groups * kernel[0] * kernel[1]
        weights = self._weights(self._normal(outputs, channels // groups, *kernel, gain=fan_in**-0.5), 0)
        bias = f" {self._constant(self._normal(outputs))}" if self._chance(0.6) else ""
        size = _windows(rows, columns, kernel, strides, pads)
        operands = f"{self._activation(x)} {weights}{bias}"
        self._emit("Conv", operands, (images, outputs, *size), group=groups, strides=strides, pads=pads)

    def _pool(self, x: str) -> None:
        shape = self._values[x]
        if len(shape) != 4:
            return
        kernel = [self._whole(1, min(3, size)) for size in shape[2:]]
        strides, pads = (
            [self._whole(1, 2) for _ in range(2)],
            [self._whole(0, k // 2) for k in kernel + kernel],
        )
        size = _windows(*shape[2:], kernel, strides, pads)
        op = self._pick(("MaxPool", "AveragePool"))
        more = {"count_include_pad": self._whole(0, 1)} if op == "AveragePool" else {}
        self._emit(
            op,
            self._activation(x),
            (*shape[:2], *size),
            kernel_shape=kernel,
            strides=strides,
            pads=pads,
            **more,
        )

    def _unary(self, x: str) -> None:
        self._emit(self._pick(UNARY), self._activation(x), self._values[x])

    def _affine(self, x: str) -> None:
        shape = self._values[x]
        inner = shape[self._whole(0, len(shape) - 1) :]
        sizes = [size if self._chance(0.6) else 1 for size in inner]
        constant = self._constant(self._normal(*sizes))
        self._emit(self._pick(("Add", "Mul", "Sub")), f"{self._activation(x)} {constant}", shape)

    def _add(self, x: str) -> None:
        alike = [name for name, shape in self._values.items() if shape == self._values[x]]
        operands = f"{self._activation(x)} {self._activation(self._pick(alike))}"
        self._emit(self._pick(("Add", "Add", "Mul")), operands, self._values[x])

    def _concat(self, x: str) -> None:
        shape = self._values[x]
        axis = self._whole(0, len(shape) - 1)
        fitting = [
            name
            for name, other in self._values.items()
            if len(other) == len(shape)
            and all(a == axis or s == o for a, (s, o) in enumerate(zip(shape, other, strict=True)))
        ]
        other = self._pick(fitting)
        whole = tuple(size + (self._values[other][axis] if a == axis else 0) for a, size in enumerate(shape))
        self._emit("Concat", f"{self._activation(x)} {self._activation(other)}", whole, axis=axis)

    def _transpose(self, x: str) -> None:
        shape = self._values[x]
        keeps = self._chance(0.7)
        order = (
            [0, *(self._random.permutation(len(shape) - 1) + 1).tolist()]
            if keeps
            else self._random.permutation(len(shape)).tolist()
        )
        self._emit("Transpose", x, tuple(shape[axis] for axis in order), perm=order)

    def _reshape(self, x: str) -> None:
        """Neighbouring axes joined, or one taken apart."""
        shape = list(self._values[x])
        axis = self._whole(0, len(shape) - 1)
        if self._chance(0.5) and axis + 1 < len(shape):
            shape[axis : axis + 2] = [shape[axis] * shape[axis + 1]]
        elif len(shape) < 6:
            factor = self._pick([f for f in (1, 2, 3) if shape[axis] % f == 0])
            shape[axis : axis + 1] = [factor, shape[axis] // factor]
        self._emit("Reshape", f"{x} {self._constant(np.array(shape))}", tuple(shape))

    def _slice(self, x: str) -> None:
        shape = self._values[x]
        axis = self._whole(0, len(shape) - 1)
        start, step = self._whole(0, shape[axis] - 1), self._whole(1, 2)
        bounds = [self._constant(np.array([each])) for each in (start, shape[axis], axis, step)]
        kept = -(-(shape[axis] - start) // step)
        sizes = tuple(kept if a == axis else size for a, size in enumerate(shape))
        self._emit("Slice", f"{x} {' '.join(bounds)}", sizes)

    def _pad(self, x: str) -> None:
        shape = self._values[x]
        before, after = ([0, *(self._whole(0, 1) for _ in shape[1:])] for _ in range(2))
        sizes = tuple(size + b + a for size, b, a in zip(shape, before, after, strict=True))
        self._emit("Pad", f"{self._activation(x)} {self._constant(np.array(before + after))}", sizes)

    def _softmax(self, x: str) -> None:
        self._emit("Softmax", x, self._values[x], axis=self._whole(0, len(self._values[x]) - 1))

    def _matmul(self, x: str) -> None:
        shape = self._values[x]
        if len(shape) < 2:
            return
        outputs = self._pick(CHANNELS)
        weights = self._weights(self._normal(shape[-1], outputs, gain=shape[-1] ** -0.5), 1)
        self._emit("MatMul", f"{self._activation(x)} {weights}", (*shape[:-1], outputs))

    def _mean(self, x: str) -> None:
        if len(self._values[x]) == 4:
            self._emit("GlobalAveragePool", self._activation(x), (*self._values[x][:2], 1, 1))

    def _head(self, x: str) -> str:
        """The output: as it is, or a dense layer behind the batch, or behind whatever leads."""
        x = self._activation(x)
        if self._chance(0.5):
            return self._named("Identity", x, "y")
        self._nodes.append(node("Flatten", x, "f", axis=1))
        features = math.prod((self._values.get(x) or self._last_shape())[1:])
        weights = self._weights(self._normal(5, features, gain=features**-0.5), 0)
        self._nodes.append(node("Gemm", f"f {weights} {self._constant(self._normal(5))}", "y", transB=1))
        return "y"

    def _last_shape(self) -> Shape:
        return list(self._values.values())[-1]


_STEPS: tuple[Callable[[GeneratedNetwork, str], None], ...] = (
    GeneratedNetwork._conv,
    GeneratedNetwork._conv,
    GeneratedNetwork._pool,
    GeneratedNetwork._unary,
    GeneratedNetwork._affine,
    GeneratedNetwork._add,
    GeneratedNetwork._concat,
    GeneratedNetwork._transpose,
    GeneratedNetwork._reshape,
    GeneratedNetwork._slice,
    GeneratedNetwork._pad,
    GeneratedNetwork._softmax,
    GeneratedNetwork._matmul,
    GeneratedNetwork._mean,
)


def _windows(rows: int, columns: int, kernel: list[int], strides: list[int], pads: list[int]) -> Shape:
    return (
        (rows + pads[0] + pads[2] - kernel[0]) // strides[0] + 1,
        (columns + pads[1] + pads[3] - kernel[1]) // strides[1] + 1,
    )
