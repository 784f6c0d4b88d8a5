"""Where quantization goes: the rules of the placement's docstring, one by one."""

from __future__ import annotations

from accelserve.kernels.ir import (
    Add,
    AveragePool,
    ChannelAffine,
    Concat,
    L2Normalize,
    LeakyRelu,
    LocalResponseNorm,
    MaxPool,
    Mul,
    Reshape,
    Sigmoid,
    Softmax,
    Window,
)
from accelserve.models.quantize.placement import place
from tests.models.quantize.float_graphs import Chain, floats, with_outputs

GLOBAL = AveragePool(Window(kernel=(5, 6)))


def classifier() -> Chain:
    """conv, relu, pool, dense, softmax."""
    chain = Chain(1, 5, 6, 4)
    chain.conv(8)
    chain.relu()
    chain.then(GLOBAL)
    chain.then(Reshape((1, 8)))
    chain.dense(3)
    chain.then(Softmax(1))
    return chain


def test_a_classifier() -> None:
    """Input, what the relu gives, the pooled features; not the convolution's own result, nor logits."""
    placement = place(classifier().graph())
    assert set(placement.group_of) == {"x", "clip1", "averagepool2", "reshape3"}
    assert placement.layers == {"conv2d0", "dense4"}


def test_logits_are_quantized_on_demand() -> None:
    placed = set(place(classifier().graph(), float_outputs=False).group_of)
    assert {"dense4"} <= placed


def test_a_layer_that_is_kept_runs_on_floats() -> None:
    placement = place(classifier().graph(), keep_float=frozenset(["conv2d0"]))
    assert placement.layers == {"dense4"}
    assert "x" not in placement.group_of


def test_both_operands_of_a_residual_sum_and_its_clipped_result() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.conv(4)
    shortcut = chain.relu()
    branch = chain.conv(4)
    chain.then(Add(), shortcut)
    result = chain.relu()
    chain.conv(2)
    placement = place(chain.graph())
    assert {shortcut, branch, result} <= set(placement.group_of)
    assert "add3" not in placement.group_of
    assert len({placement.group_of[v] for v in (shortcut, branch, result)}) == 3


def test_a_convolution_that_others_read_is_quantized_before_its_relu() -> None:
    chain = Chain(1, 5, 6, 4)
    conv = chain.conv(4)
    relu = chain.relu()
    chain.then(Add(), conv)
    chain.conv(2)
    assert {conv, relu} <= set(place(chain.graph()).group_of)


def test_concat_shares_one_scale_and_so_do_pools_and_reshapes() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.conv(4)
    left = chain.relu()
    pooled = chain.then(MaxPool(Window(kernel=(3, 3), padding=(1, 1, 1, 1))))
    chain.conv(4, reading="x")
    right = chain.relu()
    both = chain.then(Concat(3), pooled)
    flat = chain.then(Reshape((1, 240)))
    chain.dense(2)
    placement = place(chain.graph())
    assert len({placement.group_of[value] for value in (left, pooled, right, both, flat)}) == 1


def test_an_average_has_its_own_scale() -> None:
    placement = place(classifier().graph())
    assert placement.group_of["clip1"] != placement.group_of["averagepool2"]
    assert placement.group_of["averagepool2"] == placement.group_of["reshape3"]


def test_normalization_before_a_convolution_is_one_step() -> None:
    """DenseNet: affine and relu between a concat and a convolution."""
    chain = Chain(1, 5, 6, 4)
    chain.conv(4)
    chain.affine()
    relu = chain.relu()
    chain.conv(4, 3, padding=1)
    chain.relu()
    chain.conv(2)
    placement = place(chain.graph())
    assert relu in placement.group_of
    assert "channelaffine1" not in placement.group_of


def test_functions_that_do_not_fuse_have_codes_before_and_after() -> None:
    chain = Chain(1, 5, 6, 4)
    conv = chain.conv(4)
    leaky = chain.then(LeakyRelu())
    chain.conv(2)
    assert {conv, leaky} <= set(place(chain.graph()).group_of)


def test_what_only_floats_can_do_takes_and_gives_codes_around_its_float_region() -> None:
    """SSD's conv4_3: norm and scale run on floats as one region."""
    chain = Chain(1, 5, 6, 4)
    chain.conv(4)
    relu = chain.relu()
    norm = chain.then(L2Normalize())
    scaled = chain.then(ChannelAffine(), floats(4), floats(4))
    chain.conv(2)
    placed = set(place(chain.graph()).group_of)
    assert {relu, scaled} <= placed
    assert norm not in placed


def test_a_gate_multiplies_floats() -> None:
    chain = Chain(1, 5, 6, 4)
    image = chain.conv(4)
    chain.then(GLOBAL)
    chain.conv(4)
    chain.then(Sigmoid())
    gated = chain.then(Mul(), image)
    chain.conv(2)
    placed = set(place(chain.graph()).group_of)
    assert {image, gated} <= placed


def test_a_pool_after_a_float_operator_runs_on_floats() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.conv(4)
    norm = chain.then(LocalResponseNorm(3, 0.1, 0.75, 1.0))
    pool = chain.then(MaxPool(Window(kernel=(2, 2))))
    chain.conv(2)
    placed = set(place(chain.graph()).group_of)
    assert norm not in placed
    assert pool in placed


def test_detector_heads_give_floats() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.conv(4)
    features = chain.relu()
    head = chain.conv(6)
    chain.then(Reshape((1, 60, 3)))
    placement = place(chain.graph())
    assert features in placement.group_of
    assert head not in placement.group_of
    assert "conv2d2" in placement.layers


def test_a_convolution_before_the_final_average_gives_codes() -> None:
    """SqueezeNet: the average itself is the result."""
    chain = Chain(1, 5, 6, 4)
    chain.conv(4)
    relu = chain.relu()
    pooled = chain.then(GLOBAL)
    chain.then(Softmax(3))
    placed = set(place(chain.graph()).group_of)
    assert relu in placed
    assert pooled not in placed


def test_features_that_are_an_output_too_are_quantized() -> None:
    graph = with_outputs(classifier().graph(), "averagepool2")
    assert "averagepool2" in place(graph).group_of


def test_a_sum_with_a_constant_runs_on_floats() -> None:
    chain = Chain(1, 5, 6, 4)
    conv = chain.conv(4)
    moved = chain.then(Add(), floats(1, 5, 6, 4))
    chain.conv(2)
    assert {conv, moved} <= set(place(chain.graph()).group_of)
