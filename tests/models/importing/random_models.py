"""Random small networks as ONNX, for hypothesis: operators of image networks in any order, with layout changes."""

from __future__ import annotations

import numpy as np
import onnx
from hypothesis import strategies as st

from accelserve.kernels.ir import Array
from tests.models.importing.onnx_models import floats, node, onnx_file


class RandomModel:
    """Grows a network; every step draws an operator that fits the value it takes."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, Array] = {}
        self.shape = (
            1,
            draw(st.sampled_from([1, 3, 4, 6])),
            draw(st.integers(3, 7)),
            draw(st.integers(3, 7)),
        )
        self._values: dict[str, tuple[int, ...]] = {"x": self.shape}

    def content(self) -> bytes:
        steps = [
            self._conv,
            self._pool,
            self._unary,
            self._affine,
            self._add,
            self._concat,
            self._transposed,
            self._pad,
        ]
        for _ in range(self._draw(st.integers(1, 7))):
            self._draw(st.sampled_from(steps))(self._draw(st.sampled_from(sorted(self._values))))
        *_, last = self._values
        self._head(last)
        return onnx_file(self._nodes, {"x": self.shape}, ["y"], self._constants)

    def _emit(self, op: str, operands: str, shape: tuple[int, ...], **attributes: object) -> str:
        name = f"v{len(self._nodes)}"
        self._nodes.append(node(op, operands, name, **attributes))
        self._values[name] = shape
        return name

    def _constant(self, array: Array) -> str:
        name = f"c{len(self._constants)}"
        self._constants[name] = array
        return name

    def _conv(self, x: str) -> None:
        _, channels, rows, columns = self._values[x]
        groups = self._draw(st.sampled_from([g for g in (1, 2, 3, channels) if channels % g == 0]))
        outputs = groups * self._draw(st.integers(1, 3))
        kernel = [self._draw(st.integers(1, min(3, rows))), self._draw(st.integers(1, min(3, columns)))]
        pads = [self._draw(st.integers(0, 1)) for _ in range(4)]
        strides = [self._draw(st.integers(1, 2)) for _ in range(2)]
        fan_in = channels // groups * kernel[0] * kernel[1]
        weights = floats(outputs, channels // groups, *kernel, seed=len(self._nodes)) / np.float32(
            np.sqrt(fan_in)
        )
        operands = f"{x} {self._constant(weights)} {self._constant(floats(outputs, seed=3))}"
        self._emit(
            "Conv",
            operands,
            (1, outputs, *_windows(rows, columns, kernel, strides, pads)),
            group=groups,
            strides=strides,
            pads=pads,
        )

    def _pool(self, x: str) -> None:
        _, channels, rows, columns = self._values[x]
        kernel = [min(2, rows), min(2, columns)]
        shape = (1, channels, *_windows(rows, columns, kernel, [1, 1], [0, 0, 0, 0]))
        self._emit(self._draw(st.sampled_from(["MaxPool", "AveragePool"])), x, shape, kernel_shape=kernel)

    def _unary(self, x: str) -> None:
        op = self._draw(st.sampled_from(["Relu", "LeakyRelu", "Sigmoid", "HardSwish", "Tanh", "HardSigmoid"]))
        self._emit(op, x, self._values[x])

    def _affine(self, x: str) -> None:
        channels = self._values[x][1]
        constant = self._constant(floats(channels, 1, 1, seed=len(self._nodes)))
        self._emit(self._draw(st.sampled_from(["Add", "Mul", "Sub"])), f"{x} {constant}", self._values[x])

    def _add(self, x: str) -> None:
        alike = [name for name, shape in self._values.items() if shape == self._values[x]]
        self._emit("Add", f"{x} {self._draw(st.sampled_from(alike))}", self._values[x])

    def _concat(self, x: str) -> None:
        _, channels, rows, columns = self._values[x]
        fitting = [name for name, shape in self._values.items() if shape[2:] == (rows, columns)]
        other = self._draw(st.sampled_from(fitting))
        self._emit("Concat", f"{x} {other}", (1, channels + self._values[other][1], rows, columns), axis=1)

    def _transposed(self, x: str) -> None:
        """To NHWC, an operator there, and back: what TensorFlow's exporters leave behind."""
        shape = self._values[x]
        there = self._emit("Transpose", x, shape, perm=[0, 2, 3, 1])
        constant = self._constant(floats(shape[1], seed=1))
        scaled = self._emit("Mul", f"{there} {constant}", shape)
        del self._values[there], self._values[scaled]
        self._emit("Transpose", scaled, shape, perm=[0, 3, 1, 2])

    def _pad(self, x: str) -> None:
        before = [self._draw(st.integers(0, 2)) for _ in range(4)]
        _, channels, rows, columns = self._values[x]
        pads = self._constant(np.array([0, 0, before[0], before[1], 0, 0, before[2], before[3]]))
        shape = (1, channels, rows + before[0] + before[2], columns + before[1] + before[3])
        self._emit("Pad", f"{x} {pads}", shape)

    def _head(self, x: str) -> None:
        _, channels, rows, columns = self._values[x]
        kind = self._draw(st.sampled_from(["none", "pool", "flatten", "detector"]))
        match kind:
            case "none":
                self._nodes.append(node("Identity", x, "y"))
            case "pool":
                pooled = self._emit("GlobalAveragePool", x, (1, channels, 1, 1))
                self._dense(pooled, channels)
            case "flatten":
                self._dense(x, channels * rows * columns)
            case _:
                there = self._emit("Transpose", x, (1, rows, columns, channels), perm=[0, 2, 3, 1])
                self._nodes.append(
                    node("Reshape", f"{there} {self._constant(np.array([1, -1, channels]))}", "r")
                )
                self._nodes.append(node("Softmax", "r", "y", axis=-1))

    def _dense(self, x: str, features: int) -> None:
        self._nodes.append(node("Flatten", x, "f"))
        weights = self._constant(floats(5, features, seed=2) / np.float32(np.sqrt(features)))
        self._nodes.append(node("Gemm", f"f {weights} {self._constant(floats(5))}", "y", transB=1))


def _windows(
    rows: int, columns: int, kernel: list[int], strides: list[int], pads: list[int]
) -> tuple[int, int]:
    return (
        (rows + pads[0] + pads[2] - kernel[0]) // strides[0] + 1,
        (columns + pads[1] + pads[3] - kernel[1]) // strides[1] + 1,
    )


@st.composite
def random_models(draw: st.DrawFn) -> tuple[bytes, tuple[int, ...]]:
    """A file and the shape of its input ``x``; its output is ``y``."""
    model = RandomModel(draw)
    content = model.content()
    return content, model.shape
