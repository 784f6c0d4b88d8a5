"""What benchmarks say to a command line or a file that they cannot use: a line, before anything is measured."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import pytest
from benchmarks.results_file import RESULTS


def refusal(module: str, *words: str) -> str:
    """What ``python -m module words`` says last to standard error; it has failed. It runs in this process."""
    main = importlib.import_module(module).main
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(StringIO()) as errors:
        patch.setattr(sys, "argv", [module, *words])
        with pytest.raises(SystemExit) as ended:
            main()
    code = ended.value.code
    assert code not in (None, 0)
    said = code if isinstance(code, str) else errors.getvalue()
    assert "Traceback" not in said
    return said.splitlines()[-1]


@pytest.mark.parametrize(
    ("module", "flag"),
    [
        ("kernels", "--isa=mmx"),
        ("floor", "--isa=mmx"),
        ("starts", "--starts=0"),
        ("memory", "--rounds=0"),
        ("serving.check", "--measured=nowhere"),
    ],
)
def test_as_a_program_each_fails_with_the_same_line(module: str, flag: str) -> None:
    command = [sys.executable, "-m", f"benchmarks.{module}", flag]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    # argparse names the program before its sentence.
    sentence = refusal(f"benchmarks.{module}", flag).rpartition(" error: ")[2]
    assert done.stderr.splitlines()[-1].endswith(sentence)


@pytest.mark.parametrize(
    ("module", "flag"),
    [
        ("kernels", "--rounds"),
        ("kernels", "--threads"),
        ("starts", "--starts"),
        ("starts", "--threads"),
        ("memory", "--rounds"),
    ],
)
def test_a_count_is_one_or_more(module: str, flag: str) -> None:
    expected = f"error: argument {flag}: expected a whole number from 1 on, got '0'"
    assert refusal(f"benchmarks.{module}", flag, "0").endswith(expected)


@pytest.mark.parametrize("module", ["kernels", "floor", "starts"])
def test_an_instruction_set_that_is_none_is_refused_with_those_that_are(module: str) -> None:
    said = refusal(f"benchmarks.{module}", "--isa", "mmx")
    assert "error: argument --isa: instruction set 'mmx': there is none of that name; choose one of " in said
    assert "generic" in said


def test_peers_that_are_not_installed_are_named_with_what_installs_them(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    said = refusal("benchmarks.kernels", f"--peers={python}")
    assert said == f"--peers {python} is not there: make bench-kernels installs the peers"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no results file: Expecting value"),
        (b"\xff", "is no results file: 'utf-8' codec"),
        (b"[]", "is no results file: it has no networks"),
        (b'{"networks": {}, "isa": "avx512vnni"}', "was measured on avx512vnni, "),
    ],
)
def test_a_check_against_what_it_cannot_be_compared_with(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    """The committed file of AVX2, which every machine that has AVX2 is held to, and one of another kind."""
    file = tmp_path / "measured.json"
    file.write_bytes(content)
    if sys.platform != "linux" or "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("the committed results are of x86")
    assert json.loads((RESULTS / "serving-avx2.json").read_text())["isa"] == "avx2"
    said = refusal("benchmarks.serving.check", "--isa=avx2", f"--measured={file}")
    assert said.startswith(f"{file} {sentence}")
