"""Which layers may compute in the Winograd domain: as many as an error budget on calibration pictures allows.

1. Candidates are 3x3 layers at stride 1 that are large enough to gain (``is_candidate``).
2. The taps of each are quantized by what its input is like on the pictures (``winograd_ranges``).
3. Each is compared with its direct form on the same input: signal to noise of its sums.
4. The features (or, without such an output, all outputs) are compared end to end, exact and fast: the cosine, mean over
   pictures. Of the candidates in order of their noise for every product that they save, least first, the most are
   taken that keep it at 1 - budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from accelserve.kernels.compiler.lower import lower
from accelserve.kernels.compiler.passes.use_winograd import has_winograd_form, use_winograd
from accelserve.kernels.cpu.microkernels.instruction_set import InstructionSet
from accelserve.kernels.cpu.microkernels.winograd_forms import F2, F4
from accelserve.kernels.devices.cpu import CpuDevice
from accelserve.kernels.ir import Array, DType, Graph, Node, QConv2d, Quantize, WinogradTaps
from accelserve.kernels.ir.multiplications import macs
from accelserve.kernels.program import LoadOptions, Lowered
from accelserve.kernels.reference.evaluator import evaluate
from accelserve.models.errors import CalibrationError
from accelserve.models.quantize.comparison import Comparison
from accelserve.models.quantize.winograd_ranges import TapHistograms
from accelserve.models.repository import FEATURES

DEFAULT_BUDGET = 0.001
MOST_PICTURES = 32
COMPARED_PICTURES = 2
"""Layers are compared one by one on so many; a layer's sums are millions of numbers already."""
LEAST_SIDE = 14
LEAST_CHANNELS = 64


@dataclass(frozen=True, slots=True)
class LayerChoice:
    """A candidate.

    Attributes:
        name: of the node.
        taps: how its input's taps would be quantized.
        sqnr_db: of its sums, the direct form being the signal.
        saved: products that its direct form makes more.
        fast: whether it was taken.
    """

    name: str
    taps: WinogradTaps
    sqnr_db: float
    saved: int
    fast: bool

    @property
    def price(self) -> float:
        """Noise relative to the signal, for every product saved."""
        return float(10.0 ** (-self.sqnr_db / 10)) / self.saved


@dataclass(frozen=True, slots=True)
class FastChoice:
    """What was decided, and what it costs.

    Attributes:
        layers: every candidate, in the order of the graph.
        budget: most that the cosine might lack to 1.
        cosine: between exact and fast features, mean over pictures; 1 if no layer was taken.
        pictures: how many it was measured on.
    """

    layers: tuple[LayerChoice, ...]
    budget: float
    cosine: float
    pictures: int

    @property
    def taken(self) -> dict[str, WinogradTaps]:
        """Layers that compute in the Winograd domain, as ``lower`` takes them."""
        return {layer.name: layer.taps for layer in self.layers if layer.fast}


def is_candidate(graph: Graph, node: Node) -> bool:
    """Whether a layer of a lowered graph gains by the Winograd domain (measured: smaller ones do not)."""
    if not has_winograd_form(node.op):
        return False
    _, rows, columns, outputs = graph.type_of(node.output).shape
    channels = graph.type_of(node.inputs[0]).shape[3]
    return min(rows, columns) >= LEAST_SIDE and min(channels, outputs) >= LEAST_CHANNELS


def why_slower_here() -> str | None:
    """Why fast numerics would be slower than exact ones on this machine's processor; None if they are faster."""
    return why_slower_on(CpuDevice().isa)


def why_slower_on(isa: InstructionSet) -> str | None:
    """The same of an instruction set, by the products that an output of a 3x3 layer takes and their rate."""
    if isa.matrix:
        return (
            f"this processor has matrix tiles ({isa.name}), on which exact numerics are faster than fast ones: "
            "publish fast numerics for processors without them"
        )
    cycles = isa.words.cycles
    fast, exact = F2.taps / F2.outputs**2 / cycles.direct_macs, F4.taps / F4.outputs**2 / cycles.macs
    if exact > fast:
        return None
    return (
        f"on this processor ({isa.name}) exact numerics are faster than fast ones: it multiplies int16 about as fast "
        "as int8, and exact Winograd convolution takes fewer products"
    )


def choose_fast(
    graph: Graph, batches: Iterable[NDArray[np.float32]], budget: float = DEFAULT_BUDGET
) -> FastChoice:
    """Decide for every layer of a quantized network.

    Args:
        graph: with Quantize and Dequantize nodes, as it will be loaded.
        batches: preprocessed pictures, float32 [N, H, W, C]; the first ``MOST_PICTURES`` are used.
        budget: most that the cosine between exact and fast features may lack to 1; 0 or more.

    Raises:
        CalibrationError: there is no picture, or the budget is negative.
    """
    if not budget >= 0:
        raise CalibrationError(f"the budget of fast numerics is 0 or more, got {budget}")
    exact = lower(graph)
    feeds = list(_feeds(exact, batches))
    if not feeds:
        raise CalibrationError("there is no picture to measure fast numerics on")
    candidates = _candidates(exact.graph)
    if not candidates:
        return FastChoice((), budget, 1.0, len(feeds))
    taps = _observed_taps(exact, candidates, feeds)
    ordered = sorted(_compared(exact, candidates, taps, feeds), key=lambda layer: layer.price)
    count, cosine = _most_within(_EndToEnd(exact, ordered, feeds), len(ordered), budget)
    taken = {layer.name for layer in ordered[:count]}
    by_name = {layer.name: replace(layer, fast=layer.name in taken) for layer in ordered}
    return FastChoice(tuple(by_name[node.name] for node, _ in candidates), budget, cosine, len(feeds))


_Candidate: TypeAlias = tuple[Node, QConv2d]
"""A layer, and its operator."""


def _candidates(graph: Graph) -> list[_Candidate]:
    return [(node, node.op) for node in graph if isinstance(node.op, QConv2d) and is_candidate(graph, node)]


def _feeds(lowered: Lowered, batches: Iterable[NDArray[np.float32]]) -> Iterator[dict[str, Array]]:
    ((name, _),) = lowered.graph.inputs.items()
    seen = 0
    for batch in batches:
        for image in batch[: MOST_PICTURES - seen]:
            seen += 1
            yield {name: _stored(lowered, name, image[None])}
        if seen == MOST_PICTURES:
            return


def _stored(lowered: Lowered, name: str, image: NDArray[np.float32]) -> Array:
    params = lowered.input_quantization.get(name)
    if params is None:
        return image
    constants: dict[str, Array] = {
        "scale": np.array(params.scale, np.float32),
        "zero_point": np.array(params.zero_point, np.uint8),
    }
    node = Node("quantize", Quantize(), (name, "scale", "zero_point"), "stored")
    kind = replace(lowered.graph.inputs[name], dtype=DType.F32)
    graph = Graph({name: kind}, (node,), constants, {"stored": "stored"})
    return evaluate(graph, {name: image}, any_order=True)["stored"]


def _results(graph: Graph, feeds: Iterable[Mapping[str, Array]]) -> Iterator[dict[str, Array]]:
    """A graph's results on the CPU, which computes what the reference does."""
    with closing(CpuDevice().load(Lowered(graph, {}), LoadOptions())) as program:
        for each in feeds:
            yield program.run(each)


def _with_outputs(graph: Graph, values: Iterable[str]) -> Graph:
    wanted = {value: value for value in dict.fromkeys(values)}
    return replace(graph, outputs=wanted, _types={}).with_nodes(graph.nodes)


def _observed_taps(
    exact: Lowered, candidates: Sequence[_Candidate], feeds: Sequence[Mapping[str, Array]]
) -> dict[str, WinogradTaps]:
    histograms = {node.name: TapHistograms(op.window.padding, op.input_zero_point) for node, op in candidates}
    inside = _with_outputs(exact.graph, (node.inputs[0] for node, _ in candidates))
    for results in _results(inside, feeds):
        for node, _ in candidates:
            histograms[node.name].add(results[node.inputs[0]])
    return {name: each.taps() for name, each in histograms.items()}


def _compared(
    exact: Lowered,
    candidates: Sequence[_Candidate],
    taps: Mapping[str, WinogradTaps],
    feeds: Sequence[Mapping[str, Array]],
) -> list[LayerChoice]:
    inside = _with_outputs(exact.graph, (node.inputs[0] for node, _ in candidates))
    inputs = list(_results(inside, feeds[:COMPARED_PICTURES]))
    choices = []
    for node, op in candidates:
        value = node.inputs[0]
        direct, winograd = _alone(exact.graph, node, op, taps[node.name])
        operands = [{value: each[value]} for each in inputs]
        sums = Comparison()
        for wanted, found in zip(_results(direct, operands), _results(winograd, operands), strict=True):
            sums.add(wanted["sums"], found["sums"])
        saved = macs(direct, direct.nodes[0]) - macs(winograd, winograd.nodes[0])
        choices.append(LayerChoice(node.name, taps[node.name], sums.sqnr_db, saved, fast=False))
    return choices


def _alone(graph: Graph, node: Node, op: QConv2d, taps: WinogradTaps) -> tuple[Graph, Graph]:
    """A layer by itself, without its epilogue, in both forms."""
    plain = Node(node.name, replace(op, epilogue=None), node.inputs[:4], "sums")
    constants = {value: graph.constants[value] for value in node.inputs[1:4]}
    value = node.inputs[0]
    direct = Graph({value: graph.type_of(value)}, (plain,), constants, {"sums": "sums"})
    return direct, use_winograd(direct, {node.name: taps})[0]


class _EndToEnd:
    """The cosine between exact features and those with the first so many of some layers in the Winograd domain."""

    def __init__(
        self, exact: Lowered, ordered: Sequence[LayerChoice], feeds: Sequence[Mapping[str, Array]]
    ) -> None:
        outputs = exact.graph.outputs
        self._outputs = (FEATURES,) if FEATURES in outputs else tuple(outputs)
        self._graph, self._ordered, self._feeds = exact.graph, ordered, feeds
        self._exact = [self._vector(results) for results in _results(exact.graph, feeds)]

    def _vector(self, results: Mapping[str, Array]) -> NDArray[np.float64]:
        return np.concatenate([results[name].astype(np.float64).ravel() for name in self._outputs])

    def cosine(self, count: int) -> float:
        """Mean over pictures."""
        if not count:
            return 1.0
        taps = {layer.name: layer.taps for layer in self._ordered[:count]}
        graph, _ = use_winograd(self._graph, taps)
        cosines = []
        for wanted, results in zip(self._exact, _results(graph, self._feeds), strict=True):
            pair = Comparison()
            pair.add(wanted, self._vector(results))
            cosines.append(pair.cosine)
        return float(np.mean(cosines))


def _most_within(measured: _EndToEnd, candidates: int, budget: float) -> tuple[int, float]:
    """The greatest number of layers that keeps the budget, by halving; every number that is returned was measured."""
    least, most = 0, candidates
    cosine_of = {0: 1.0}
    while least < most:
        middle = most if most == candidates and len(cosine_of) == 1 else (least + most + 1) // 2
        cosine_of[middle] = measured.cosine(middle)
        if 1.0 - cosine_of[middle] <= budget:
            least = middle
        else:
            most = middle - 1
    return least, cosine_of[least]
