"""Builds graphs of one Winograd convolution with random constants."""

from __future__ import annotations

import numpy as np

from accelserve.kernels import ir
from accelserve.kernels.ir import Epilogue, Intermediate, QWinogradConv2d, Residual, WinogradTaps
from tests.kernels.devices.integer_graphs import IntegerGraphBuilder

FORMS = ("float", "plain", "residual", "intermediate")


def random_taps(rng: np.random.Generator, gain: float = 1.0) -> WinogradTaps:
    """Multipliers that use the whole byte, or saturate it where ``gain`` is above 1."""
    multipliers = np.clip(rng.uniform(0.3, 1.2, 16) * gain * 32768 * 255 / 1020, 1, 32767)
    return WinogradTaps(
        multipliers=tuple(int(m) for m in multipliers),
        zero_points=tuple(int(z) for z in rng.integers(0, 256, 16)),
    )


def winograd_convolution(
    g: IntegerGraphBuilder,
    x: str,
    outputs: int,
    *,
    padding: ir.Padding = (1, 1, 1, 1),
    input_zero_point: int = 3,
    form: str = "plain",
    gain: float = 1.0,
    residual: str | None = None,
) -> str:
    """A convolution whose results spread over the whole range; ``form`` is one of ``FORMS``."""
    channels = g.shape(x)[3]
    weights = g.rng.integers(-127, 128, (outputs, 4, 4, channels)).astype(np.int8)
    spread = 73.0 * 73.0 * 4 * np.sqrt(channels)
    scale = (g.rng.uniform(0.5, 1.5, (outputs, 4, 4)) * 60.0 / spread).astype(np.float32)
    bias = g.rng.normal(90, 30, outputs).astype(np.float32)
    op = QWinogradConv2d(padding, input_zero_point, random_taps(g.rng, gain), epilogue_of(form))
    operands = [x, g.constant(weights), g.constant(scale), g.constant(bias)]
    if form in {"residual", "intermediate"}:
        kinds = [g.types[operand] for operand in operands]
        plain = QWinogradConv2d(padding, input_zero_point, op.taps, None).infer(tuple(kinds))
        operands.append(residual or g.input(*plain.shape[1:]))
    return g.add(op, *operands)


def epilogue_of(form: str) -> Epilogue | None:
    if form == "float":
        return None
    joins = form in {"residual", "intermediate"}
    return Epilogue(
        zero_point=7,
        low=4,
        high=251,
        residual=Residual(zero_point=9, multiplier=float(np.float32(0.37))) if joins else None,
        intermediate=Intermediate(low=-100, high=100, multiplier=float(np.float32(0.77)))
        if form == "intermediate"
        else None,
    )
