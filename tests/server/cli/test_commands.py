"""Commands as a person types them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import skimage
from PIL import Image

from accelserve.kernels.preprocess import preprocess_float, preprocess_spec
from accelserve.server import cli
from accelserve.server.cli.group import COMMANDS

ROCKET = Path(skimage.__file__).parent / "data" / "rocket.jpg"


def run(*arguments: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "accelserve.server.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=None if env is None else dict(env),
    )


def test_help_lists_every_command_and_loads_none_of_them() -> None:
    program = (
        "import sys; from accelserve.server.cli.group import run; run(['--help']); "
        "heavy = {'numpy', 'numba', 'onnx', 'torch'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    for command in COMMANDS:
        assert f"\n  {command} " in done.stdout


def test_every_file_with_a_command_is_listed() -> None:
    files = Path(cli.__file__).parent.glob("*.py")
    with_commands = {
        file.stem
        for file in files
        if re.search(r"^@click\.(command|group)\b", file.read_text(), re.MULTILINE)
    }
    assert {module for module, _ in COMMANDS.values()} == with_commands - {"group"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: accelserve {command} ")


def test_a_wrong_option_is_one_line_and_not_a_trace() -> None:
    done = run("serve", "--no-such-flag")
    assert done.returncode == 2
    assert done.stderr.startswith("accelserve: No such option")
    assert done.stderr.count("\n") == 1


def test_preprocess_writes_what_the_network_would_see(tmp_path: Path) -> None:
    out, view = tmp_path / "x.npy", tmp_path / "x.png"
    done = run("preprocess", ROCKET, "--preprocess", "imagenet-caffe-bgr", "--output", out, "--view", view)
    assert done.returncode == 0, done.stderr
    spec = preprocess_spec("imagenet-caffe-bgr")
    expected = preprocess_float(spec, ROCKET.read_bytes())
    tensor = np.load(out)
    assert tensor.dtype == np.float32
    np.testing.assert_array_equal(tensor, expected)
    seen = np.asarray(Image.open(view), dtype=np.float32)
    assert [line.split()[0] for line in done.stdout.splitlines()[:5]] == [
        "decode", "resize", "crop", "channels", "normalize"
    ]  # fmt: skip
    # int(float32(427) * float32(256 / 427)) is 255: the rule of the TensorFlow line, which the steps show.
    assert "decode     640 x 427\nresize     383 x 255" in done.stdout
    assert done.stderr == ""
    blue_green_red = expected + np.array(spec.mean, np.float32)
    np.testing.assert_allclose(seen, blue_green_red[..., ::-1], atol=0.51)


def test_preprocess_shows_where_a_letterboxed_picture_lies() -> None:
    fields = {
        "resize": "letterbox", "resize_height": 300, "resize_width": 320, "interpolation": "bilinear",
        "crop_height": 300, "crop_width": 320, "color_order": "RGB", "mean": [0, 0, 0], "pad": [114, 114, 114],
    }  # fmt: skip
    done = run("preprocess", ROCKET, "--preprocess", json.dumps(fields))
    assert done.returncode == 0, done.stderr
    assert "resize     320 x 213, letterbox, bilinear\n" in done.stdout
    assert "pad        320 x 300, the picture at 0, 43, around it 114, 114, 114\n" in done.stdout


def test_preprocess_says_that_it_writes_nothing() -> None:
    done = run("preprocess", ROCKET)
    assert done.returncode == 0
    assert done.stderr.startswith("nothing is written: --output FILE.npy")


def test_a_picture_that_is_none_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture at all")
    done = run("preprocess", broken)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "accelserve: Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP required."
    )
    assert done.stderr.count("\n") == 1


def test_predict_prints_labels_scores_and_milliseconds(serve: Callable[..., SimpleNamespace]) -> None:
    server = serve()
    done = run(
        "predict", "--address", f"127.0.0.1:{server.server.port}", "--output", "output_alias", ROCKET, ROCKET
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    first = next(line for line in lines if "rocket.jpg" in line)
    assert first[:2] == ["rocket.jpg", "output_alias"]
    assert float(first[-1]) > 0
    labels = [word for line in lines for word in line if word in {"red", "green", "blue"}]
    assert sorted(labels[:3]) == ["blue", "green", "red"]
    assert labels[3:] == labels[:3]


def test_predict_says_which_server_does_not_answer(socket_folder: Path) -> None:
    done = run("predict", "--address", f"unix:{socket_folder}/nobody.sock", "--timeout", "0.5", ROCKET)
    assert done.returncode == 1
    assert done.stderr.startswith("accelserve: ")
    assert "nobody.sock" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_folder_that_is_not_there_fails_the_start(tmp_path: Path) -> None:
    done = run(
        "serve",
        "--port=0",
        f"--model-base-path={tmp_path}/none",
        "--device=reference",
        "--xla_cpu_compilation_enabled=true",
    )
    assert done.returncode == 1
    assert "--xla_cpu_compilation_enabled does nothing here: there is no XLA" in done.stderr
    assert (
        f"Failed to start server. Error: Could not find base path {tmp_path}/none for servable default"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
