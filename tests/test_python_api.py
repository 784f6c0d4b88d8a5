"""``import accelserve``: its names, what they load, and docs/python.md run as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from examples.open_nsfw import trained_network
from examples.photographs import write_photographs

import accelserve
from accelserve.kernels.preprocess import ImageError
from accelserve.models.errors import InputError

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=False
    )


def test_the_public_names_are_these() -> None:
    assert accelserve.__all__ == [
        "AccelOnnxConverter",
        "AsyncPredictionClient",
        "ClientError",
        "Converted",
        "Image",
        "ImageConfiguration",
        "LoadedModel",
        "Model",
        "ModelSelection",
        "PredictionClient",
        "RetryPolicy",
        "Server",
        "ServerConfig",
        "TlsOptions",
        "Webservice",
        "__version__",
        "convert",
        "load",
    ]
    assert all(hasattr(accelserve, name) for name in accelserve.__all__)
    assert set(accelserve.__all__) <= set(dir(accelserve))
    with pytest.raises(AttributeError, match="module 'accelserve' has no attribute 'serve'"):
        accelserve.serve  # noqa: B018


def test_importing_it_loads_nothing_and_the_client_loads_the_client() -> None:
    done = python(
        "import sys, accelserve\n"
        "assert not {'numpy', 'grpc'} & set(sys.modules)\n"
        "accelserve.PredictionClient\n"
        "heavy = {'numba', 'onnx', 'PIL', 'click', 'rich', 'msgspec', 'accelserve.server'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    assert done.returncode == 0, done.stderr


def test_what_a_base_install_lacks_is_named() -> None:
    done = python("import sys; sys.modules['msgspec'] = None; import accelserve; accelserve.load")
    assert done.returncode == 1
    assert "accelserve.load needs the package 'msgspec': pip install 'accelserve[server]'" in done.stderr


def test_the_package_runs_as_the_command() -> None:
    command = [sys.executable, "-m", "accelserve", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout == f"accelserve {accelserve.__version__}\n"


@pytest.mark.slow
def test_the_page_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "network.onnx").symlink_to(trained_network())
    write_photographs(tmp_path / "photographs")
    (tmp_path / "photo.jpg").symlink_to(tmp_path / "photographs" / "coffee.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    text = PAGE.read_text(encoding="utf-8")
    code = "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - the documentation is the code under test
    answers, scores = names["answers"], names["scores"]
    assert isinstance(answers, dict)
    assert isinstance(scores, np.ndarray)
    # A network in this process and a server's: the same bytes, for a path and for its bytes.
    assert [row.tobytes() for row in answers["output_alias"]] == [scores.tobytes()] * 2

    with accelserve.load("servables/network/1") as network:
        many = network.predict([Path("photo.jpg")] * 9, signature="features")
        assert all(len(array) == 9 for array in many.values())
        with pytest.raises(InputError, match=r"expected a signature of .*, got 'none'"):
            network.predict(["photo.jpg"], signature="none")
        with pytest.raises(InputError, match="at least one"):
            network.predict([])
        with pytest.raises(TypeError, match="put a single one into a list"):
            network.predict("photo.jpg")
        with pytest.raises(ImageError, match="Element 8 of the batch"):
            network.predict([Path("photo.jpg")] * 8 + [b"no picture"])
