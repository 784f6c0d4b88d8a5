"""What TensorFlow and Keras save, converted by the real tf2onnx; skipped where TensorFlow is not installed."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from accelserve.models.conversion.source import load_source
from accelserve.models.errors import ModelFileError
from accelserve.models.importing import import_onnx
from accelserve.server.cli.group import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(package) is None for package in ("tensorflow", "tf2onnx")),
        reason="needs the extra 'tensorflow'",
    ),
]

# In a process of its own: TensorFlow warns a great deal, and warnings are errors here.
WRITE = """
import sys, keras, numpy as np, tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
layers = keras.layers
model = keras.Sequential([
    layers.Input((32, 32, 3)), layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
    layers.BatchNormalization(), layers.DepthwiseConv2D(3, padding="same"), layers.ReLU(6.0),
    layers.GlobalAveragePooling2D(), layers.Dense(10, activation="softmax"),
])
rng = np.random.default_rng(0)
for weight in model.weights:
    weight.assign(rng.uniform(0.1, 0.6, weight.shape) - 0.3 * (len(weight.shape) > 1))
model.save(sys.argv[1] + "/net.keras")
model.save(sys.argv[1] + "/net.h5")
model.export(sys.argv[1] + "/saved")
function = tf.function(lambda images: model(images))
frozen = convert_variables_to_constants_v2(
    function.get_concrete_function(tf.TensorSpec([None, 32, 32, 3], tf.float32, "images"))
)
with open(sys.argv[1] + "/net.pb", "wb") as file:
    file.write(frozen.graph.as_graph_def().SerializeToString())
images = rng.random((2, 32, 32, 3), np.float32)
np.savez(sys.argv[1] + "/answer.npz", images=images, answer=model(images).numpy())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tensorflow")
    subprocess.run([sys.executable, "-c", WRITE, str(path)], check=True, capture_output=True, timeout=240)
    return path


@pytest.mark.parametrize("name", ["saved", "net.keras", "net.h5", "net.pb"])
def test_the_onnx_file_answers_as_tensorflow_does(folder: Path, name: str) -> None:
    frozen = name == "net.pb"
    network = load_source(folder / name, inputs=["images:0"] * frozen, outputs=["Identity:0"] * frozen)
    assert network.architecture is None
    content = network.model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    with np.load(folder / "answer.npz") as answer:
        (found,) = session.run(None, {session.get_inputs()[0].name: answer["images"]})
        np.testing.assert_allclose(found, answer["answer"], rtol=1e-4, atol=1e-6)
    imported = import_onnx(content)
    assert [str(t) for t in imported.graph.inputs.values()] == ["float32[1, 32, 32, 3]"]


# Names whose order is not the alphabet's, a layer that is called twice, and a dictionary of outputs.
WRITE_SEVERAL = """
import sys, keras, numpy as np
layers = keras.layers
inputs = keras.Input((32, 32, 3), name="pictures")
features = layers.GlobalAveragePooling2D(name="features")(layers.Conv2D(8, 3)(inputs))
head = layers.Dense(8, name="mid")
outputs = [layers.Dense(5, name="zeta")(features), head(features), layers.Dense(3, name="alpha")(features), head(head(features))]
images = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
for name, made in {"several": outputs, "named": {"second": outputs[0], "first": outputs[2]}}.items():
    model = keras.Model(inputs, made)
    model.save(f"{sys.argv[1]}/{name}.keras")
    if name == "several":
        model.save(f"{sys.argv[1]}/{name}.h5")
    answers = keras.tree.flatten(model(images))
    np.savez(f"{sys.argv[1]}/{name}.npz", images=images, **{str(i): np.asarray(a) for i, a in enumerate(answers)})
"""


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("several")
    subprocess.run(
        [sys.executable, "-c", WRITE_SEVERAL, str(path)], check=True, capture_output=True, timeout=240
    )
    return path


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("several.keras", ["zeta", "mid", "alpha", "mid_1"]),
        ("several.h5", ["zeta", "mid", "alpha", "mid_1"]),
        ("named.keras", ["alpha", "zeta"]),
    ],
)
def test_outputs_of_a_keras_model_keep_order_and_names(several: Path, name: str, names: list[str]) -> None:
    """The judge is Keras: what the model answers, in the order in which it does."""
    session = onnxruntime.InferenceSession(
        load_source(several / name).model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    assert [given.name for given in session.get_inputs()] == ["pictures"]
    with np.load((several / name).with_suffix(".npz")) as answer:
        found = session.run(None, {"pictures": answer["images"]})
        for position, each in enumerate(found):
            np.testing.assert_allclose(each, answer[str(position)], rtol=1e-4, atol=1e-6)
    assert [output.name for output in session.get_outputs()] == names


def test_outputs_of_a_keras_model_are_chosen_by_name(several: Path) -> None:
    model = load_source(several / "several.keras", outputs=["alpha", "zeta"]).model
    assert [output.name for output in model.graph.output] == ["alpha", "zeta"]
    with pytest.raises(
        ModelFileError, match="there is no output beta; the model has zeta, mid, alpha, mid_1"
    ):
        load_source(several / "several.keras", outputs=["beta"])


@pytest.mark.parametrize("name", ["bad.keras", "bad.pb", "bad/saved_model.pb"])
def test_what_tf2onnx_cannot_read_is_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"nothing")
    source = path.parent if path.parent != tmp_path else path
    frozen = ["--inputs", "images:0", "--outputs", "y:0"] if name == "bad.pb" else []
    assert run(["import", str(source), *frozen, "--output", str(tmp_path / "out.onnx")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"accelserve: {source}: tf2onnx cannot convert it: ")
    assert not (tmp_path / "out.onnx").exists()
