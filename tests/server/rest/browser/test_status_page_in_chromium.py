"""The status page in a real browser: what it shows, and that a picture gets its classes or its boxes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from accelserve.server.config import RestConfig

pytestmark = pytest.mark.browser

Serve = Callable[..., SimpleNamespace]
Browser = Callable[[], Any]
OPEN = RestConfig(address="127.0.0.1", port=0)


def picture(folder: Path, red: int, green: int, blue: int) -> str:
    path = folder / "picture.png"
    Image.new("RGB", (400, 200), (red, green, blue)).save(path, "PNG")
    return str(path)


def page(server: SimpleNamespace) -> str:
    return f"http://127.0.0.1:{server.server.rest_port}/"


def texts(browser: Any, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map((element) => element.textContent)"
    found: list[str] = browser.run(script, selector)
    return found


def test_models_are_shown(serve: Serve, browser: Browser) -> None:
    window = browser()
    window.open(page(serve(rest=OPEN, models={"colour": {1: "1.0"}, "<b>other</b>": {7: "1.0"}})))
    window.wait_for("document.querySelector('#versions tr')")
    assert texts(window, "#server")[0].endswith("device cpu, ready")
    assert texts(window, "#versions td:nth-child(1)") == ["colour", "<b>other</b>"]
    assert texts(window, "#versions td:nth-child(2)") == ["1", "7"]
    assert texts(window, "#versions td:nth-child(3)") == ["AVAILABLE", "AVAILABLE"]
    assert texts(window, "#versions td:nth-child(5)") == ["numpy, 1 thread"] * 2
    assert texts(window, "#model option") == ["colour", "<b>other</b>"]
    assert window.complaints() == []


def test_a_picture_gets_its_classes(serve: Serve, browser: Browser, tmp_path: Path) -> None:
    window = browser()
    window.open(page(serve(rest=OPEN)))
    window.wait_for("document.querySelector('#model option')")
    window.choose_file("#picture", picture(tmp_path, 10, 30, 20))
    window.wait_for("!document.getElementById('result').hidden")
    assert texts(window, "#found li") == ["green: 30.0", "blue: 20.0", "red: 10.0"]
    assert texts(window, "#outcome")[0].startswith("serving_default: 3 found (decode ")
    # The page asks again by itself, and then shows how long that took.
    window.wait_for("document.querySelectorAll('#latencies svg rect').length > 4")
    assert texts(window, "#latencies td:nth-child(2)") == [
        "queue",
        "decode",
        "preprocess",
        "compute",
        "postprocess",
    ]
    assert window.complaints() == []


def test_boxes_are_drawn(serve: Serve, browser: Browser, tmp_path: Path, scoring_network: object) -> None:
    window = browser()
    window.open(page(serve(rest=OPEN, network=scoring_network)))
    window.wait_for("document.querySelector('#model option')")
    window.choose_file("#picture", picture(tmp_path, 10, 20, 51))
    window.wait_for("!document.getElementById('result').hidden")
    assert texts(window, "#found li") == ["blue: 0.200"]

    def pixel(x: int, y: int) -> list[int]:
        script = "return [...document.getElementById('canvas').getContext('2d').getImageData(...arguments, 1, 1).data]"
        read: list[int] = window.run(script, x, y)
        return read[:3]

    # The box is (0.25, 0.1, 0.75, 0.9) of a picture of 400 x 200.
    assert pixel(200, 100) == [10, 20, 51]
    assert pixel(5, 195) == [10, 20, 51]
    for edge in ((40, 100), (360, 100), (200, 50), (200, 150)):
        assert pixel(*edge) == [220, 38, 38]
    assert window.complaints() == []


def test_a_file_that_is_no_picture_is_told(serve: Serve, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("no picture")
    window = browser()
    window.open(page(serve(rest=OPEN)))
    window.wait_for("document.querySelector('#model option')")
    window.choose_file("#picture", str(tmp_path / "note.txt"))
    window.wait_for("document.getElementById('outcome').textContent.includes('Unknown image file format')")
    assert texts(window, "#outcome")[0].startswith("note.txt: Unknown image file format.")
    assert window.run("return document.getElementById('result').hidden") is True


def test_a_dropped_picture_is_taken(serve: Serve, browser: Browser) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 0, 0)).save(stream, "PNG")
    window = browser()
    window.open(page(serve(rest=OPEN)))
    window.wait_for("document.querySelector('#model option')")
    drop = """
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(arguments[0])], "dropped.png"));
        const event = new DragEvent("drop", { dataTransfer: transfer, cancelable: true });
        document.getElementById("drop").dispatchEvent(event);
        return event.defaultPrevented;"""
    assert window.run(drop, list(stream.getvalue())) is True
    window.wait_for("!document.getElementById('result').hidden")
    assert texts(window, "#found li")[0] == "red: 200"


NAMES = """
    return [...document.querySelectorAll("input, select, canvas, svg, table, section")].map((element) => [
        element.tagName.toLowerCase(),
        Boolean(element.labels?.length || element.caption || element.ariaLabel ||
            document.getElementById(element.getAttribute("aria-labelledby"))),
    ]);"""


def test_everything_has_a_name_for_screen_readers(serve: Serve, browser: Browser, tmp_path: Path) -> None:
    window = browser()
    window.open(page(serve(rest=OPEN)))
    window.wait_for("document.querySelector('#model option')")
    window.choose_file("#picture", picture(tmp_path, 1, 2, 3))
    window.wait_for("document.querySelector('#latencies svg')")
    named = window.run(NAMES)
    assert {kind for kind, _ in named} == {"input", "select", "canvas", "svg", "table", "section"}
    assert [kind for kind, has_name in named if not has_name] == []
    assert window.run("return document.documentElement.lang") == "en"
    headings = "return [...document.querySelectorAll('h1, h2')].map((heading) => heading.tagName)"
    assert window.run(headings) == ["H1", "H2", "H2", "H2"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(serve: Serve, browser: Browser, scheme: str) -> None:
    window = browser()
    window.prefer(scheme)
    window.open(page(serve(rest=OPEN)))
    window.wait_for("document.querySelector('.AVAILABLE')")
    dark = window.run("return matchMedia('(prefers-color-scheme: dark)').matches")
    assert dark == (scheme == "dark")
    contrast = """
        const channels = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((part) => {
            const value = part / 255;
            return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
        });
        const probe = document.createElement("p");
        probe.style.background = "Canvas";
        document.body.append(probe);
        const of = (colour) => { const [r, g, b] = channels(colour); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const text = of(getComputedStyle(document.querySelector(".AVAILABLE")).color);
        const back = of(getComputedStyle(probe).backgroundColor);
        return (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);"""
    assert window.run(contrast) >= 4.5  # WCAG 2.2, 1.4.3
