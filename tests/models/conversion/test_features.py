"""Where the pooled features of a classifier are found."""

from __future__ import annotations

from accelserve.kernels.ir import AveragePool, Graph, Reshape, Softmax, Window
from accelserve.models.conversion.features import with_features
from tests.models.quantize.float_graphs import Chain, with_outputs

GLOBAL = AveragePool(Window(kernel=(5, 6)))


def features_of(chain: Chain) -> tuple[str, tuple[int, ...]] | None:
    graph = with_features(chain.graph())
    value = graph.outputs.get("features")
    return None if value is None else (value, graph.type_of(value).shape)


def test_what_the_last_dense_layer_reads_before_it_is_flattened() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.conv(8)
    pooled = chain.then(GLOBAL)
    chain.then(Reshape((1, 8)))
    chain.dense(3)
    chain.then(Softmax(1))
    assert features_of(chain) == (pooled, (1, 1, 1, 8))


def test_a_hidden_dense_layer_is_seen_as_one_pixel() -> None:
    """VGG's fc7."""
    chain = Chain(1, 5, 6, 4)
    chain.then(Reshape((1, 120)))
    chain.dense(16)
    chain.relu()
    chain.dense(3)
    assert features_of(chain) == ("features", (1, 1, 1, 16))


def test_a_classifier_that_is_a_convolution_of_one_pixel() -> None:
    chain = Chain(1, 5, 6, 4)
    pooled = chain.then(GLOBAL)
    chain.conv(3)
    chain.then(Reshape((1, 3)))
    assert features_of(chain) == (pooled, (1, 1, 1, 4))


def test_a_network_without_a_classifier_is_all_features() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.conv(8)
    pooled = chain.then(GLOBAL)
    chain.then(Reshape((1, 8)))
    assert features_of(chain) == (pooled, (1, 1, 1, 8))


def test_a_detector_has_none() -> None:
    chain = Chain(1, 5, 6, 4)
    chain.conv(8)
    chain.then(Reshape((1, 60, 4)))
    assert features_of(chain) is None


def test_features_that_the_file_names_itself_are_kept() -> None:
    chain = Chain(1, 5, 6, 4)
    pooled = chain.then(GLOBAL, name="features")
    chain.conv(3)
    graph: Graph = with_outputs(chain.graph(), pooled)
    assert with_features(graph) is graph
