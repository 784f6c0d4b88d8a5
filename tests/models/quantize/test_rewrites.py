"""Each float rewrite: when it applies, when it must not, and that the numbers stay."""

from __future__ import annotations

import math

import numpy as np
import pytest

from accelserve.kernels.ir import (
    Add,
    Array,
    AveragePool,
    ChannelAffine,
    Clip,
    Concat,
    Conv2d,
    Dequantize,
    Graph,
    MaxPool,
    Node,
    Op,
    Pad,
    Reshape,
    Slice,
    Transpose,
    Window,
)
from accelserve.models.quantize.rewrites.drop_no_ops import drop_no_ops
from accelserve.models.quantize.rewrites.fold_affine_after import fold_affine_after
from accelserve.models.quantize.rewrites.fold_affine_before import fold_affine_before
from accelserve.models.quantize.rewrites.fold_pad import fold_pad
from accelserve.models.quantize.rewrites.fold_subsampling import fold_subsampling
from accelserve.models.quantize.rewrites.merge_affines import merge_affines
from accelserve.models.quantize.rewrites.merge_clips import merge_clips
from accelserve.models.quantize.rewrites.merge_reshapes import merge_reshapes
from accelserve.models.quantize.simplify import SIMPLIFICATIONS, simplify
from tests.models.quantize.float_graphs import Chain, assert_same_results, floats, labels, with_outputs


class TestFoldAffineAfter:
    @pytest.mark.parametrize("groups", [1, 2])
    def test_into_a_convolution(self, groups: int) -> None:
        chain = Chain(1, 5, 6, 4)
        chain.conv(6, 3, padding=1, groups=groups)
        chain.affine()
        folded, changed = fold_affine_after(chain.graph())
        assert changed
        assert labels(folded) == ["Conv2d"]
        assert_same_results(chain.graph(), folded)

    def test_into_a_dense_layer(self) -> None:
        chain = Chain(1, 7)
        chain.dense(3)
        chain.affine()
        folded, _ = fold_affine_after(chain.graph())
        assert labels(folded) == ["Dense"]
        assert_same_results(chain.graph(), folded)

    def test_weights_keep_their_names(self) -> None:
        chain = Chain(1, 5, 6, 4)
        chain.conv(6)
        chain.affine()
        folded, _ = fold_affine_after(chain.graph())
        assert set(folded.constants) == {"conv2d0.0", "conv2d0.1"}

    def test_weights_that_layers_share_leave_other_layers_theirs(self) -> None:
        """Folded apart, they need a name each; what it would be is another layer's weights already."""
        chain = Chain(1, 5, 6, 4)
        chain.conv(4)
        chain.affine()
        conv, affine = chain.graph().nodes
        constants = chain.graph().constants
        others = {
            f"second/{what}": -constants[name]
            for what, name in zip(("weight", "bias"), conv.inputs[1:], strict=True)
        }
        nodes = (
            conv,
            affine,
            Node("second", conv.op, (affine.output, *conv.inputs[1:]), "second"),
            Node("affine", affine.op, ("second", *affine.inputs[1:]), "affine"),
            Node("third", conv.op, ("affine", *others), "third"),
        )
        graph = Graph(chain.graph().inputs, nodes, {**constants, **others}, {"third": "third"})
        folded, _ = fold_affine_after(graph)
        assert labels(folded) == ["Conv2d"] * 3
        assert_same_results(graph, folded)

    def test_not_when_another_reads_the_convolution(self) -> None:
        chain = Chain(1, 5, 6, 4)
        conv = chain.conv(6)
        chain.affine()
        chain.then(Add(), conv)
        assert not fold_affine_after(chain.graph())[1]

    def test_not_when_the_convolution_is_an_output(self) -> None:
        chain = Chain(1, 5, 6, 4)
        conv = chain.conv(6)
        chain.affine()
        assert not fold_affine_after(with_outputs(chain.graph(), conv))[1]

    def test_not_into_weights_that_are_integers(self) -> None:
        chain = Chain(1, 5, 6, 4)
        window = Window(kernel=(1, 1))
        constants: dict[str, Array] = {
            "w": np.ones((2, 1, 1, 4), np.int8),
            "s": np.ones((), np.float32),
            "z": np.zeros((), np.int8),
            "m": np.ones(2, np.float32),
            "b": np.ones(2, np.float32),
        }
        nodes = (
            Node("d", Dequantize(), ("w", "s", "z"), "d"),
            Node("c", Conv2d(window), ("x", "d"), "c"),
            Node("a", ChannelAffine(), ("c", "m", "b"), "a"),
        )
        graph = Graph(chain.graph("x").inputs, nodes, constants, {"a": "a"})
        assert not fold_affine_after(graph)[1]


class TestFoldAffineBefore:
    @pytest.mark.parametrize("groups", [1, 2])
    def test_into_a_convolution_without_padding(self, groups: int) -> None:
        chain = Chain(1, 5, 6, 4)
        chain.affine()
        chain.conv(6, 3, groups=groups)
        folded, _ = fold_affine_before(chain.graph())
        assert labels(folded) == ["Conv2d"]
        assert_same_results(chain.graph(), folded)

    def test_into_a_dense_layer(self) -> None:
        chain = Chain(1, 7)
        chain.affine()
        chain.dense(3)
        folded, _ = fold_affine_before(chain.graph())
        assert labels(folded) == ["Dense"]
        assert_same_results(chain.graph(), folded)

    def test_not_under_padding(self) -> None:
        chain = Chain(1, 5, 6, 4)
        chain.affine()
        chain.conv(6, 3, padding=1)
        assert not fold_affine_before(chain.graph())[1]

    def test_a_mere_scale_even_under_padding(self) -> None:
        chain = Chain(1, 5, 6, 4)
        chain.then(ChannelAffine(), floats(4), np.zeros(4, np.float32))
        chain.conv(6, 3, padding=1)
        folded, _ = fold_affine_before(chain.graph())
        assert labels(folded) == ["Conv2d"]
        assert_same_results(chain.graph(), folded)

    def test_not_when_another_reads_the_affine(self) -> None:
        chain = Chain(1, 5, 6, 4)
        affine = chain.affine()
        chain.conv(4)
        chain.then(Add(), affine)
        assert not fold_affine_before(chain.graph())[1]


def test_affines_in_a_row_become_one() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.affine(1)
    chain.affine(3)
    merged, _ = merge_affines(chain.graph())
    assert labels(merged) == ["ChannelAffine"]
    assert_same_results(chain.graph(), merged)


@pytest.mark.parametrize("bounds", [((0, math.inf), (-1, 0.5)), ((-1, 0.5), (0.6, 2)), ((-1, 0.5), (-3, -2))])
def test_clips_in_a_row_become_one(bounds: tuple[tuple[float, float], tuple[float, float]]) -> None:
    chain = Chain(1, 5, 6, 4)
    for low, high in bounds:
        chain.then(Clip(low, high))
    merged, _ = merge_clips(chain.graph())
    assert labels(merged) == ["Clip"]
    assert_same_results(chain.graph(), merged)


def test_reshapes_in_a_row_become_one() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.then(Reshape((1, 30, 4)))
    chain.then(Reshape((1, 120)))
    merged, _ = merge_reshapes(chain.graph())
    assert labels(merged) == ["Reshape"]
    assert_same_results(chain.graph(), merged)


def test_transpositions_in_a_row_become_one() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.then(Transpose((0, 3, 1, 2)))
    chain.then(Transpose((0, 2, 1, 3)))
    merged, _ = merge_reshapes(chain.graph())
    assert labels(merged) == ["Transpose"]
    assert_same_results(chain.graph(), merged)


IDLE: dict[str, Op] = {
    "reshape to the same shape": Reshape((1, 5, 6, 4)),
    "identity transpose": Transpose((0, 1, 2, 3)),
    "slice of everything": Slice((0, 0, 0, 0), (1, 5, 6, 4), (1, 1, 1, 1)),
    "pad by nothing": Pad((0, 0, 0, 0), (0, 0, 0, 0)),
    "concat of one": Concat(3),
    "clip without bounds": Clip(-math.inf, math.inf),
    "max pool of one cell": MaxPool(Window(kernel=(1, 1))),
    "average pool of one cell": AveragePool(Window(kernel=(1, 1))),
}


@pytest.mark.parametrize("name", IDLE)
def test_what_changes_nothing_is_dropped(name: str) -> None:
    chain = Chain(1, 5, 6, 4)
    chain.conv(4)
    chain.then(IDLE[name])
    chain.relu()
    dropped, _ = drop_no_ops(chain.graph())
    assert labels(dropped) == ["Conv2d", "Clip"]
    assert_same_results(chain.graph(), dropped)


def test_an_affine_by_one_and_zero_is_dropped() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.then(ChannelAffine(), np.ones(4, np.float32), np.zeros(4, np.float32))
    chain.relu()
    assert labels(drop_no_ops(chain.graph())[0]) == ["Clip"]


def test_a_repeated_relu_is_dropped() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.relu()
    chain.relu()
    assert labels(drop_no_ops(chain.graph())[0]) == ["Clip"]


def test_an_output_that_is_dropped_keeps_its_public_name() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.relu()
    chain.then(Reshape((1, 5, 6, 4)), name="result")
    dropped, _ = drop_no_ops(chain.graph())
    assert list(dropped.outputs) == ["result"]
    assert_same_results(chain.graph(), dropped)


PAD = Pad((0, 1, 2, 0), (0, 0, 1, 0))


class TestFoldPad:
    def test_into_a_convolution(self) -> None:
        chain = Chain(1, 5, 6, 4)
        chain.then(PAD)
        chain.conv(3, 3, padding=1)
        folded, _ = fold_pad(chain.graph())
        assert labels(folded) == ["Conv2d"]
        assert_same_results(chain.graph(), folded)

    def test_into_a_max_pool_of_what_a_relu_made(self) -> None:
        chain = Chain(1, 5, 6, 4)
        chain.relu()
        chain.then(PAD)
        chain.then(MaxPool(Window(kernel=(2, 3))))
        folded, _ = fold_pad(chain.graph())
        assert labels(folded) == ["Clip", "MaxPool"]
        assert_same_results(chain.graph(), folded)

    def test_not_into_a_max_pool_whose_window_would_see_padding_only(self) -> None:
        chain = Chain(1, 5, 6, 4)
        chain.relu()
        chain.then(PAD)
        chain.then(MaxPool(Window(kernel=(2, 2))))
        assert not fold_pad(chain.graph())[1]

    def test_not_into_a_max_pool_of_negatives(self) -> None:
        chain = Chain(1, 5, 6, 4)
        chain.then(PAD)
        chain.then(MaxPool(Window(kernel=(2, 2))))
        assert not fold_pad(chain.graph())[1]

    @pytest.mark.parametrize("counts", [True, False])
    def test_into_an_average_pool(self, counts: bool) -> None:
        chain = Chain(1, 5, 6, 4)
        chain.then(PAD)
        chain.then(AveragePool(Window(kernel=(2, 2), padding=(counts,) * 4), count_padding=counts))
        folded, _ = fold_pad(chain.graph())
        assert labels(folded) == ["AveragePool"]
        assert_same_results(chain.graph(), folded)

    def test_not_into_an_average_pool_that_leaves_its_own_padding_out(self) -> None:
        chain = Chain(1, 5, 6, 4)
        chain.then(PAD)
        chain.then(AveragePool(Window(kernel=(2, 2), padding=(1, 1, 1, 1))))
        assert not fold_pad(chain.graph())[1]

    @pytest.mark.parametrize("pad", [Pad((0, 1, 1, 0), (0, 0, 0, 0), 0.5), Pad((0, 0, 0, 1), (0, 0, 0, 1))])
    def test_not_other_values_or_channels(self, pad: Pad) -> None:
        chain = Chain(1, 5, 6, 4)
        chain.then(pad)
        chain.conv(3, 3)
        assert not fold_pad(chain.graph())[1]


def test_subsampling_becomes_a_stride() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.then(MaxPool(Window(kernel=(1, 1), strides=(2, 2))))
    chain.conv(3)
    folded, _ = fold_subsampling(chain.graph())
    assert labels(folded) == ["Conv2d"]
    assert_same_results(chain.graph(), folded)


def test_subsampling_before_a_wider_kernel_stays() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.then(MaxPool(Window(kernel=(1, 1), strides=(2, 2))))
    chain.conv(3, 3)
    assert not fold_subsampling(chain.graph())[1]


def test_simplify_reaches_what_no_rewrite_changes() -> None:
    chain = Chain(1, 8, 8, 3)
    chain.affine(1)
    chain.affine(3)
    chain.then(Pad((0, 1, 1, 0), (0, 1, 1, 0)))
    chain.conv(8, 3, stride=2)
    chain.affine(5)
    chain.relu()
    chain.relu()
    chain.then(Reshape((1, 128)))
    chain.dense(4)
    chain.affine(7)
    simple = simplify(chain.graph())
    assert labels(simple) == ["ChannelAffine", "Conv2d", "Clip", "Reshape", "Dense"]
    assert not any(rewriting(simple)[1] for rewriting in SIMPLIFICATIONS)
    assert_same_results(chain.graph(), simple)
