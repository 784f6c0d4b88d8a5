"""The page of a measurement: well-formed, whole, and nothing but itself."""

from __future__ import annotations

import copy
import json
import math
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.loadgen.reports import LOADS, STAGES, ramp, single

from accelserve.loadgen.report import page
from accelserve.loadgen.report.page import parts_of
from accelserve.loadgen.report.scales import linear, logarithmic, percentiles, round_step

VOID = {"meta"}


class Outline(HTMLParser):
    """Checks that elements nest, and keeps what there is."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def outline(text: str) -> Outline:
    assert text.startswith("<!DOCTYPE html>\n<html")
    read = Outline()
    read.feed(text)
    read.close()
    assert read.open == []
    return read


def drawings(text: str) -> list[ET.Element]:
    """Each is well-formed XML by itself."""
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]  # noqa: S314 - ours


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_a_page_has_its_figures_its_plots_and_nothing_from_elsewhere(load: Any) -> None:
    found = single(load)
    text = page(found)
    read = outline(text)
    assert len(drawings(text)) == 2
    for name in STAGES:
        assert f"{name}: " in read.text
    assert f"{found['steps'][0]['latency_ms']['p99']:.1f}" in read.text
    assert "the client is a bottleneck" in read.text
    assert not {"script", "link", "img", "iframe", "image", "use", "a"} & set(read.tags)
    assert not {name for name, _ in read.attributes} & {"src", "href", "xlink:href", "style", "onload"}
    assert "url(" not in text
    assert "default-src 'none'" in text


def test_a_ramp_shows_its_knee() -> None:
    found = ramp()
    text = page(found)
    latency, throughput, breakdown = drawings(text)
    namespace = "{http://www.w3.org/2000/svg}"
    assert len(latency.findall(f"{namespace}polyline")) == 4
    assert len(throughput.findall(f"{namespace}circle")) == 5
    assert breakdown.findall(f"{namespace}rect")
    assert found["knee"]["step"] == 0
    assert "It is at 1 caller." in outline(text).text


def test_an_open_loop_is_drawn_both_ways() -> None:
    text = page(single(LOADS["open"]))
    assert "50 a second, from when it was sent" in text
    assert "coordinated omission" in text


def test_without_answers_or_metrics_the_page_says_so() -> None:
    text = page(single(LOADS["closed"], "down", answers=0))
    assert drawings(text) == []
    assert "UNAVAILABLE" in outline(text).text
    assert "not offered" in page(single(LOADS["closed"], server=False))


SMALL = single(LOADS["closed"], "words", answers=20)


def saying(words: str) -> dict[str, Any]:
    """A measurement in which the server, and whoever named it, say this."""
    found = copy.deepcopy(SMALL)
    found["steps"][0]["first_error"] = {"UNAVAILABLE": words}
    found["target"] |= {"address": words, "model": f"m{words}"}
    return found


PLAIN = outline(page(saying("words")))


@settings(max_examples=15)
@given(st.text(max_size=40))
def test_no_text_of_a_server_becomes_markup(words: str) -> None:
    for hostile in (words, f"</td></table><script>{words}</script>", f'"><img src=x onerror="{words}">'):
        read = outline(page(saying(hostile)))
        assert read.tags == PLAIN.tags
        assert len(read.attributes) == len(PLAIN.attributes)


def test_a_ramp_says_where_goodput_was_greatest() -> None:
    document = ramp()  # the first step's answers all come within the deadline of 50 ms
    assert document["most_goodput"] == {"within": 0.99, "step": 0}
    assert "Most goodput with 99% of the requests within 50 ms: 50.0 a second, at 1 caller." in page(document)
    document["most_goodput"]["step"] = None
    assert "No step had 99% of the requests within 50 ms." in page(document)


def test_a_control_character_is_replaced() -> None:
    assert "a\ufffdb" in page(single(LOADS["closed"], "a\x00b"))


def test_the_document_is_json_without_inventions() -> None:
    text = json.dumps(single(LOADS["open"], answers=0), allow_nan=False)
    assert json.loads(text)["steps"][0]["latency_ms"]["p50"] is None


def test_parts_of_a_request_add_up_to_the_clients_mean() -> None:
    step = single(LOADS["closed"])["steps"][0]
    step["server"]["request_ms"] = 22.0
    step["service_ms"]["mean"] = 26.0
    parts = dict(parts_of(step))
    assert math.isclose(sum(parts.values()), 26.0)
    assert parts["elsewhere in the server"] == pytest.approx(1.0)
    assert parts["client, network, protocol"] == pytest.approx(4.0)


@given(st.floats(1e-3, 1e6), st.floats(1, 1e4))
def test_every_value_lies_on_its_axis(low: float, ratio: float) -> None:
    high = low * ratio
    for axis in (linear(0, high, 300, 20), logarithmic(low, high, 300, 20)):
        places = [axis.place(value) for value, _ in axis.ticks]
        assert places == sorted(places, reverse=True)
        assert places[0] == pytest.approx(300)
        assert places[-1] == pytest.approx(20)
        for value in (low, high):
            assert 20 - 1e-6 <= axis.place(value) <= 300 + 1e-6
        assert 2 <= len(places) <= 24


def test_percentiles_stand_by_their_nines() -> None:
    axis = percentiles(99.9, 0, 300)
    assert [text for _, text in axis.ticks] == ["0 %", "50 %", "90 %", "99 %", "99.9 %"]
    assert axis.place(90) == pytest.approx(100)
    assert axis.place(99) == pytest.approx(200)


@given(st.floats(1e-6, 1e9))
def test_steps_are_round(least: float) -> None:
    step = round_step(least)
    assert least * (1 - 1e-6) <= step <= least * 2.5 * (1 + 1e-6)
