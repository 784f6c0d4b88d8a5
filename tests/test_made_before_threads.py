"""What threads share and what its library makes at its first use is made while modules are imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for room in ("kernels", "models", "server") for path in (ROOT / room).rglob("*.py"))
TYPED = {"msgspec.json.decode", "msgspec.json.Decoder", "msgspec.convert"}
"""Calls that make msgspec learn a type."""


def learnt_at_a_call(tree: ast.Module) -> Iterator[int]:
    """Lines within functions that name a type to msgspec, which no decoder of the module has learnt before."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for call in (node for function in functions for node in ast.walk(function)):
        if not isinstance(call, ast.Call) or ast.unparse(call.func) not in TYPED:
            continue
        types = [each.value for each in call.keywords if each.arg == "type"] + call.args[1:2]
        if ast.unparse(call.func) == "msgspec.json.Decoder":
            types += call.args[:1]
        if any(not ast.unparse(each).endswith("decoder.type") for each in types):
            yield call.lineno


@pytest.mark.parametrize(
    "line", ["msgspec.json.decode(b, type=Body)", "msgspec.json.Decoder(Body).decode(b)"]
)
def test_the_search_finds_what_it_is_for(line: str) -> None:
    assert list(learnt_at_a_call(ast.parse(f"def f(b):\n    return {line}"))) == [2]
    assert list(learnt_at_a_call(ast.parse("DECODER = msgspec.json.Decoder(Body)"))) == []


def test_no_thread_makes_msgspec_learn_a_type() -> None:
    """msgspec 0.22 dies of two threads that use a type for the first time at once."""
    found = {
        str(path.relative_to(ROOT)): list(learnt_at_a_call(ast.parse(path.read_text()))) for path in SOURCES
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


AT_ONCE = '''
import sys, threading
from accelserve.models.repository.manifest import decode_manifest
from accelserve.server.rest.json_examples import parse_examples
from accelserve.server.rest.json_inference import parse_infer
from accelserve.server.rest.json_tensors import parse_predict

manifest = b"""{"name": "m", "version": 1, "files": {"model.onnx": {"bytes": 1, "sha256": ""}}, "provenance": {
    "source": "", "source_sha256": "", "tool": "", "created": "", "opset": 13, "calibration": {"method": "", "images": 1}
}, "signatures": {"serving_default": {"inputs": {"x": {"name": "x", "dtype": "uint8", "shape": [1]}}, "outputs": {}}},
"format": 1}"""
uses = [
    lambda: decode_manifest(manifest),
    lambda: parse_examples(b'{"examples": [{"x": 1.0}]}'),
    lambda: parse_infer(b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}', None),
    lambda: parse_predict(b'{"instances": [1]}'),
]
sys.setswitchinterval(1e-6)
together = threading.Barrier(4 * len(uses))
failures = []

def use(call):
    together.wait()
    try:
        call()
    except Exception as error:
        failures.append(error)

threads = [threading.Thread(target=use, args=(call,)) for call in 4 * uses]
for each in threads:
    each.start()
for each in threads:
    each.join()
print(failures)
'''


@pytest.mark.parametrize("start", range(5))
def test_threads_may_decode_from_the_first_moment(start: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE], capture_output=True, text=True, timeout=240, check=False
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
