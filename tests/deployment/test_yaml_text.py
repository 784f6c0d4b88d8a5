"""Texts stay texts, whoever reads them.

Judges: the tables of https://yaml.org/type/bool.html and of YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema),
by which Kubernetes' and Compose's readers take bare words for truths and numbers; PyYAML for the round trip.
"""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from accelserve.deployment.yaml_text import yaml_text

TRUTHS = [
    "y",
    "Y",
    "yes",
    "Yes",
    "YES",
    "n",
    "N",
    "no",
    "No",
    "NO",
    "true",
    "True",
    "TRUE",
    "false",
    "False",
    "FALSE",
    "on",
    "On",
    "ON",
    "off",
    "Off",
    "OFF",
    "null",
    "Null",
    "NULL",
    "~",
]
NUMBER = re.compile(
    r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


def bare(text: str) -> bool:
    """Whether it stands without quotes."""
    return yaml_text([{"key": text}], "").strip() == f"key: {text}"


@pytest.mark.parametrize(
    "text", [*TRUTHS, "1e3", "0o14", "0x1F", ".5", "1.", "+1", "-.inf", "22:22", "2026-01-02", "1_000"]
)
def test_words_that_another_reader_takes_for_something_else_are_quoted(text: str) -> None:
    assert not bare(text)
    assert yaml.safe_load(yaml_text([{text: text}], "")) == {text: text}


@given(st.from_regex(NUMBER, fullmatch=True))
def test_no_number_of_yaml_1_2_is_bare(text: str) -> None:
    assert not bare(text)


@given(st.dictionaries(st.text(min_size=1), st.text() | st.lists(st.text()) | st.integers() | st.booleans()))
def test_every_text_comes_back(document: dict[str, object]) -> None:
    assert yaml.safe_load(yaml_text([document], "")) == document


def test_flags_paths_and_names_are_readable_and_nothing_is_an_anchor() -> None:
    same = {"port": 8500}
    assert yaml_text([{"a": same, "b": same, "c": ["--port=8500", "/models", "resnet50:3"]}], "x") == (
        "# x\na:\n  port: 8500\nb:\n  port: 8500\nc:\n- --port=8500\n- /models\n- resnet50:3\n"
    )
