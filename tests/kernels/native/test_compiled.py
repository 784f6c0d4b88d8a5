"""Functions of arrays and numbers, compiled once and kept as object files that a process without numba can run."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from accelserve.kernels.native.compiled import Argument, ArrayFunction
from accelserve.kernels.native.jit import inlined, object_file
from accelserve.kernels.native.machine_code import KernelLoader, host_target

HERE = __name__
pytestmark = pytest.mark.usefixtures("compiles_itself")


@inlined
def weighted_sum(
    matrix: NDArray[np.float32],
    factor: np.float32,
    whole: int,
    flags: NDArray[np.uint8],
    out: NDArray[np.float64],
) -> int:
    """Every kind of argument: writes row sums by a factor, returns how many of ``flags`` are ``whole``."""
    found = 0
    for row in range(matrix.shape[0]):
        total = 0.0
        for column in range(matrix.shape[1]):
            total += np.float64(matrix[row, column] * factor)
            found += flags[row, column] == whole
        out[row] = total
    return found


def test_python_does_not_call_what_is_made_for_compiled_code() -> None:
    with pytest.raises(
        TypeError, match=r"weighted_sum is for compiled code; Python calls weighted_sum\.py_func"
    ):
        weighted_sum(np.ones((1, 1), np.float32), np.float32(1), 1, np.ones((1, 1), np.uint8), np.ones(1))


def test_arrays_and_numbers_reach_the_compiled_function_as_they_are(code_cache: Path) -> None:
    function = ArrayFunction(HERE, "weighted_sum", "f32[2]", "f32", "i64", "u8[2]~", "f64[1]", returns=True)
    function.load(code_cache)
    rng = np.random.default_rng(5)
    matrix = rng.standard_normal((3, 4)).astype(np.float32)
    flags = rng.integers(0, 3, (6, 12)).astype(np.uint8)
    out = np.empty(3)
    found = function(matrix, 0.1, 2, flags[::2, ::3], out)
    assert found == np.count_nonzero(flags[::2, ::3] == 2)
    np.testing.assert_allclose(out, (matrix * np.float32(0.1)).astype(np.float64).sum(axis=1), rtol=1e-12)


def test_first_arguments_that_are_given_once_count_in_every_call(code_cache: Path) -> None:
    function = ArrayFunction(HERE, "weighted_sum", "f32[2]", "f32", "i64", "u8[2]~", "f64[1]", returns=True)
    function.load(code_cache)
    flags, out = np.eye(3, 4, dtype=np.uint8), np.empty(3)
    of_ones = function.given(np.ones((3, 4), np.float32), 0.5)
    assert (of_ones(1, flags, out), out.tolist()) == (3, [2.0, 2.0, 2.0])
    assert of_ones(0, flags, out) == 9
    with pytest.raises(TypeError, match="2 arguments, expected 3"):
        of_ones(1, flags)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("f32[2]", np.zeros((2, 2), np.float64)),
        ("f32[2]", np.zeros(4, np.float32)),
        ("f32[2]", np.zeros((4, 4), np.float32)[:, ::2]),
        ("u8[1]~", np.zeros(3, np.int8)),
    ],
    ids=["dtype", "rank", "strides", "sign"],
)
def test_an_array_of_another_kind_is_refused_before_its_memory_is_touched(
    text: str, value: NDArray[np.generic]
) -> None:
    with pytest.raises(TypeError, match="expected"):
        Argument.parse(text).values(value)


def test_a_type_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"f32\[2\]"):
        Argument.parse("float")


def test_a_function_that_would_need_the_compilers_own_runtime_is_refused() -> None:
    def allocates(count: int) -> None:
        made = np.empty(count)
        for index in range(count):
            made[index] = made.sum()

    with pytest.raises(AssertionError, match="needs numba's runtime"):
        object_file(allocates, 1, "allocates")


RUN = """
    import logging, sys
    from pathlib import Path
    import numpy as np
    from accelserve.kernels.preprocess import Preprocessor, preprocess_spec
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    made = Preprocessor(preprocess_spec("imagenet-torch"), input_scale=1.0, input_zero_point=128)
    made.warm_up(Path(sys.argv[1]))
    print(made.quantize(np.array([1.0, 2.0], np.float32)), "numba" in sys.modules)
"""


def preprocessing(cache: Path) -> list[str]:
    """Lines that a process prints which warms up with a cache."""
    command = [sys.executable, "-c", textwrap.dedent(RUN), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    return done.stdout.splitlines()


def test_kept_code_runs_without_numba_and_damaged_code_is_compiled_again(tmp_path: Path) -> None:
    assert preprocessing(tmp_path) == ["[129 130] True"]
    assert preprocessing(tmp_path) == ["[129 130] False"]
    damaged = next((tmp_path / "objects").glob("*quantize_row*.o"))
    os.truncate(damaged, damaged.stat().st_size // 2)
    assert preprocessing(tmp_path) == [f"{damaged} is damaged; it is made again", "[129 130] True"]
    assert preprocessing(tmp_path) == ["[129 130] False"]


EARLIER = """
    import sys
    from pathlib import Path
    import numpy as np
    from accelserve.kernels.preprocess import Preprocessor, preprocess_spec
    made = Preprocessor(preprocess_spec("imagenet-torch"), input_scale=1.0, input_zero_point=128)
    made.quantize(np.array([1.0, 2.0], np.float32))
    made.warm_up(Path(sys.argv[1]))
"""


def test_what_was_compiled_before_the_cache_was_named_is_cached_there_too(tmp_path: Path) -> None:
    """As where a conversion calibrates first, and is told with the proof where servers look."""
    for cache in (
        "first",
        "second",
    ):  # compiled in the first process, read from the default folder in the other
        environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
        command = [sys.executable, "-c", textwrap.dedent(EARLIER), str(tmp_path / cache)]
        subprocess.run(command, env=environment, timeout=240, check=True)
        assert preprocessing(tmp_path / cache) == ["[129 130] False"]


def test_the_environment_names_a_folder_that_is_asked_before_anything_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELSERVE_OBJECT_CACHE", str(tmp_path / "shared"))
    assert preprocessing(tmp_path / "first") == ["[129 130] True"]
    assert preprocessing(tmp_path / "second") == ["[129 130] False"]
    names = [
        sorted(path.name for path in tmp_path.glob(f"{each}/objects/*.o")) for each in ("first", "second")
    ]
    assert names[0] == names[1] != []


def test_a_function_that_is_neither_loaded_nor_kept_is_not_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert KernelLoader().known("nothing", host_target(), tmp_path) is None
    assert caplog.records == []
