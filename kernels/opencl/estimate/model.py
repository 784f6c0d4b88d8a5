"""The cycle and resource model of the engine's channel path on a part. It predicts; nothing is measured.

One layer, as ``cl/channels.cl`` runs it::

    taps     = rows * columns of the window * vectors of VEC channels       (a folded first layer: rows * ceil(S*C/VEC))
    compute  = blocks of LANE outputs * sum over strips of ceil(pixels / PX) * max(taps, PX)
    traffic  = weights for every strip + results + residual, at the memory's width
    input    = the strip's bytes, read before the PE array starts
    cycles   = max(compute, traffic) + input + taps (the first block's weights) + 400 (four kernels fill and drain)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from accelserve.kernels.errors import PlanError
from accelserve.kernels.opencl.engine.configuration import BURST_BYTES, EngineConfiguration
from accelserve.kernels.opencl.estimate.parts import Part
from accelserve.kernels.opencl.estimate.workload import Convolution, Vector, Workload

FILL_CYCLES = 400
MEMORY_EFFICIENCY = 0.8
LAUNCH_SECONDS = 100e-6
"""One launch of each kernel and two small transfers over PCIe, an image."""
PUBLISHED_EFFICIENCY = 0.7
"""Measured speed over ideal speed of published designs of this kind: Xilinx DPU B4096 0.68 to 0.72, PipeCNN 0.73."""
USABLE_SHARE = 0.9
MOST_PIXELS = 8
"""Readers of the strip buffer beyond this are hard to route; a judgement, since no compiler has been asked."""
M20K_WORDS, M20K_BITS = 512, 40
_STRIP_BYTES = (1 << 18, 1 << 19, 1 << 20, 1 << 21, 1 << 22)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerEstimate:
    """One layer on one configuration.

    Attributes:
        name: the node's.
        operator: what it is.
        macs: multiply-accumulates.
        cycles: predicted.
        bound: what decides: ``compute``, ``memory`` or ``vector``.
        traffic_bytes: through external memory.
        utilisation: of the PE array, 0 to 1.
    """

    name: str
    operator: str
    macs: int
    cycles: int
    bound: str
    traffic_bytes: int
    utilisation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a configuration takes of a part, the board's own logic included."""

    dsps: int
    m20ks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A network on a part; every figure is a prediction.

    Attributes:
        part: the part.
        configuration: the engine's constants.
        resources: what it takes.
        layers: in order.
    """

    part: Part
    configuration: EngineConfiguration
    resources: Resources
    layers: tuple[LayerEstimate, ...]

    @property
    def cycles(self) -> int:
        """Of one image."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def macs(self) -> int:
        """Of one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def ideal_ms(self) -> float:
        """Latency if the design does what the model says."""
        return (self.cycles / (self.part.clock_mhz * 1e6) + LAUNCH_SECONDS) * 1e3

    @property
    def calibrated_ms(self) -> float:
        """Latency at the efficiency that published designs of this kind measured."""
        return self.ideal_ms / PUBLISHED_EFFICIENCY

    @property
    def utilisation(self) -> float:
        """Multiply-accumulates over what the array could do in that time, 0 to 1."""
        return self.macs / (self.cycles * self.configuration.macs_per_cycle)


def estimate(workload: Workload, configuration: EngineConfiguration, part: Part) -> Estimate:
    """Cycles of every layer, and the resources.

    Raises:
        PlanError: a layer's rows do not fit the strip buffer.
    """
    bytes_per_cycle = part.memory_gbps * 1e3 * MEMORY_EFFICIENCY / part.clock_mhz
    layers = tuple(
        _convolution(layer, configuration, bytes_per_cycle)
        if isinstance(layer, Convolution)
        else _vector(layer, configuration, bytes_per_cycle)
        for layer in workload.layers
    )
    return Estimate(
        part=part, configuration=configuration, resources=resources(configuration, part), layers=layers
    )


def resources(configuration: EngineConfiguration, part: Part) -> Resources:
    """DSPs and memory blocks of the engine and the board's own logic."""
    c = configuration
    multipliers = math.ceil(c.macs_per_cycle / part.macs_per_dsp)
    requantizers = 4 * c.lane  # scale, intermediate, residual and their sum
    vector_unit = 6 * c.vec  # the float operations of its five layers
    weights = 2 * _blocks(c.weight_block_bytes * 8, c.weight_depth)
    # The strip has one reader per pixel; a double-pumped copy of the memory serves three.
    strip = math.ceil(c.px / 3) * _blocks(c.vec * 8, c.strip_vectors)
    channels = (
        _blocks(c.weight_block_bytes * 8, c.weight_channel_depth)
        + _blocks(c.px * c.vec * 8, c.pixel_channel_depth)
        + _blocks(c.px * c.lane * 32, c.sum_channel_depth)
    )
    shell = part.shell_share
    return Resources(
        dsps=multipliers + requantizers + vector_unit + math.ceil(shell * part.dsps),
        m20ks=weights + strip + channels + math.ceil(shell * part.m20ks),
    )


def fits(configuration: EngineConfiguration, part: Part) -> bool:
    """Whether the engine leaves enough of the part free to be routed."""
    taken = resources(configuration, part)
    return taken.dsps <= USABLE_SHARE * part.dsps and taken.m20ks <= USABLE_SHARE * part.m20ks


def best_configuration(workloads: Sequence[Workload], part: Part) -> EngineConfiguration:
    """The configuration that fits the part and runs all of these networks in the fewest cycles together.

    Raises:
        PlanError: none fits.
    """
    found: list[tuple[int, int, int, EngineConfiguration]] = []
    # Networks repeat their layers: each kind is estimated once, whatever it is called.
    alike = Counter(replace(layer, name="") for workload in workloads for layer in workload.layers)
    kinds = Workload(tuple(alike), host=0)
    for configuration in _candidates(part):
        try:
            layers = estimate(kinds, configuration, part).layers
            cycles = sum(count * layer.cycles for count, layer in zip(alike.values(), layers, strict=True))
        except PlanError:
            continue  # a strip too small for some layer
        taken = resources(configuration, part)
        found.append((cycles, taken.dsps, taken.m20ks, configuration))
    if not found:
        raise PlanError(f"no configuration of the engine fits {part.name} and runs this network")
    return min(found, key=lambda each: each[:3])[3]


def _candidates(part: Part) -> Iterator[EngineConfiguration]:
    """Every VEC, LANE, PX and strip buffer that fit the part together."""
    for vec in (8, 16, 32, 64):
        for lane in (8, 16, 32, 64, 128):
            for strip_bytes in _STRIP_BYTES:
                first = EngineConfiguration(vec=vec, lane=lane, strip_vectors=strip_bytes // vec)
                most = min(MOST_PIXELS, int(part.dsps * part.macs_per_dsp // (vec * lane)))
                for px in range(1, most + 1):
                    candidate = replace(first, px=px)
                    if fits(candidate, part):
                        yield candidate


def _blocks(bits: int, depth: int) -> int:
    return math.ceil(bits / M20K_BITS) * math.ceil(depth / M20K_WORDS)


def _convolution(
    layer: Convolution, configuration: EngineConfiguration, bytes_per_cycle: float
) -> LayerEstimate:
    vec, lane, px = configuration.vec, configuration.lane, configuration.px
    folded = _folds(layer, vec)
    vectors = _vectors(layer, configuration)
    window = layer.window
    taps = window.kernel[0] * (
        math.ceil(window.kernel[1] * layer.channels / vec) if folded else window.kernel[1] * vectors
    )
    blocks = math.ceil(layer.outputs / lane)
    strips, input_vectors = _strips(layer, configuration, folded)
    groups = sum(math.ceil(rows * layer.columns / px) for rows in strips)
    compute = blocks * groups * max(taps, px)
    resident = taps <= configuration.weight_depth
    weight_bytes = blocks * taps * vec * lane * (len(strips) if resident else groups)
    result_bytes = layer.rows * layer.columns * layer.outputs * (layer.result_bytes + int(layer.residual))
    traffic = math.ceil((weight_bytes + result_bytes) / bytes_per_cycle)
    loading = math.ceil(input_vectors * vec / min(BURST_BYTES, bytes_per_cycle))
    cycles = max(compute, traffic) + loading + taps + FILL_CYCLES
    return LayerEstimate(
        name=layer.name,
        operator=f"conv {window.kernel[0]}x{window.kernel[1]}",
        macs=layer.macs,
        cycles=cycles,
        bound="compute" if compute >= traffic else "memory",
        traffic_bytes=weight_bytes + result_bytes + input_vectors * vec,
        utilisation=layer.macs / (cycles * configuration.macs_per_cycle),
    )


def _folds(layer: Convolution, vec: int) -> bool:
    taps, channels = layer.window.kernel[1], layer.channels
    plain = layer.reads_image and layer.groups == 1 and layer.window.dilations[1] == 1
    return plain and math.ceil(taps * channels / vec) < taps * math.ceil(channels / vec)


def _vectors(layer: Convolution, configuration: EngineConfiguration) -> int:
    """Vectors of input channels that the widest block of outputs reads, as ``pack.pack_convolution`` packs them."""
    vec, lane = configuration.vec, configuration.lane
    per_group, per_group_outputs = layer.channels // layer.groups, layer.outputs // layer.groups
    if layer.groups == 1:
        return math.ceil(layer.channels / vec)
    widest = 0
    for first in range(0, layer.outputs, lane):
        last = min(first + lane, layer.outputs) - 1
        begin = first // per_group_outputs * per_group // vec
        end = -(-((last // per_group_outputs + 1) * per_group) // vec)
        widest = max(widest, end - begin)
    return widest


def _strips(
    layer: Convolution, configuration: EngineConfiguration, folded: bool
) -> tuple[tuple[int, ...], int]:
    """Output rows of each strip, and the vectors read for all of them."""
    window = layer.window
    columns = layer.columns if folded else layer.input_columns
    width = window.kernel[1] * layer.channels if folded else layer.channels
    row_vectors = columns * math.ceil(width / configuration.vec)
    reach = (window.kernel[0] - 1) * window.dilations[0] + 1

    def needed(rows: int) -> int:
        return min(layer.input_rows, (rows - 1) * window.strides[0] + reach)

    fitting = configuration.strip_vectors // row_vectors  # input rows
    rows = layer.rows
    if needed(rows) > fitting:
        rows = max(1, min(rows, (fitting - reach) // window.strides[0] + 1))
    if needed(rows) * row_vectors > configuration.strip_vectors:
        raise PlanError(
            f"layer '{layer.name}' needs {needed(rows) * row_vectors} vectors on chip for one row of results, "
            f"but the strip holds {configuration.strip_vectors}"
        )
    strips = tuple(min(rows, layer.rows - first) for first in range(0, layer.rows, rows))
    return strips, sum(needed(each) for each in strips) * row_vectors


def _vector(layer: Vector, configuration: EngineConfiguration, bytes_per_cycle: float) -> LayerEstimate:
    compute = layer.pixels * layer.reads * math.ceil(layer.channels / configuration.vec)
    traffic_bytes = layer.pixels * layer.channels * (layer.reads + 1)
    traffic = math.ceil(traffic_bytes / bytes_per_cycle)
    return LayerEstimate(
        name=layer.name,
        operator=layer.operator,
        macs=0,
        cycles=max(compute, traffic) + FILL_CYCLES,
        bound="vector" if compute >= traffic else "memory",
        traffic_bytes=traffic_bytes,
        utilisation=0.0,
    )
