"""What a microkernel generator needs to know of an instruction set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from llvmlite import ir

from accelserve.kernels.cpu.microkernels.emit import Emitter
from accelserve.kernels.cpu.microkernels.word_products import WordProducts
from accelserve.kernels.native.machine_code import CodeTarget


class LoadActivation(Protocol):
    """Loads a dot product's activations at an address and repeats them over a vector."""

    def __call__(self, emitter: Emitter, address: ir.Value) -> ir.Value:
        """Emit it."""


class DotProduct(Protocol):
    """``accumulator + sum over the group of activation * weight``, in every int32 lane, exact and wrapping."""

    def __call__(
        self, emitter: Emitter, accumulator: ir.Value, activation: ir.Value, weights: ir.Value
    ) -> ir.Value:
        """Emit it."""


class Multiply(Protocol):
    """``value`` times something, int32 lanes as many as a vector has, by one multiply instruction and little else."""

    def __call__(self, emitter: Emitter, value: ir.Value, factor: ir.Value) -> ir.Value:
        """Emit it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructionSet:
    """One way to multiply uint8 by int8 and add up in int32.

    Attributes:
        name: the last part of a kernel's name.
        title: how people write it.
        summary: its multiply instruction and vectors, in one line.
        target: what to compile for.
        features: LLVM's names of the processor features that the kernels use.
        preference: the highest one that the processor has is chosen.
        lanes: int32 lanes of a vector.
        group: input channels that one dot product takes.
        weight_bits: of one packed weight, 8 or 16.
        activation_bits: of one activation in memory, 8 or 16.
        activation_offset: added to each activation before it is multiplied (modulo 256, then read as signed), which
            the packed bias takes back; 0 or -128.
        rows: most output pixels of a tile.
        vectors: most vectors of output channels of a tile.
        load_activation, dot: the emitters.
        multiply: what ``dot`` multiplies by, for measuring how many the processor can issue; None where ``dot`` is a
            single instruction.
        widened: the same on activations that were widened to 16 bits before, where that pays for dense convolutions.
        split: the same on bytes, exact where the weights of each two channels have a sum of -128 to 128.
        words: how it multiplies int16.
        matrix: whether the processor has AMX tiles besides.
        permitted: asks the system for what it only gives on demand; whether it was given.
    """

    name: str
    title: str
    summary: str
    target: CodeTarget
    features: tuple[str, ...]
    preference: int
    lanes: int
    group: int
    weight_bits: int
    rows: int
    vectors: int
    load_activation: LoadActivation
    dot: DotProduct
    words: WordProducts
    multiply: Multiply | None = None
    activation_bits: int = 8
    activation_offset: int = 0
    widened: InstructionSet | None = None
    split: InstructionSet | None = None
    matrix: bool = False
    permitted: Callable[[], bool] = lambda: True

    @property
    def channels(self) -> int:
        """Most output channels of a tile."""
        return self.lanes * self.vectors

    def runs_on(self, machine: str, features: Mapping[str, bool]) -> bool:
        """Whether a processor has what the kernels use.

        Args:
            machine: the first part of the host's triple, ``x86_64`` or ``aarch64``.
            features: LLVM's feature names -> present.
        """
        wanted = self.target.triple.split("-")[0]
        fits = (not wanted or wanted == machine) and all(features.get(name, False) for name in self.features)
        return fits and self.permitted()
