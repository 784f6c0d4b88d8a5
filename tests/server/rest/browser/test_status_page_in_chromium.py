"""The status page in a real browser: what it shows, and that a picture gets its classes or its boxes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.server.rest.browser.chromium import Browser

from accelserve.server.config import RestConfig
from accelserve.server.errors import LoadError

pytestmark = pytest.mark.browser

Serve = Callable[..., SimpleNamespace]
OPEN = RestConfig(address="127.0.0.1", port=0)
STAGES = ["decode", "preprocess", "queue", "compute", "postprocess"]
RED = [220, 38, 38, 255]  # the first of the boxes' colours
CLEAR = [0, 0, 0, 0]
MARKUP = "<img src=x onerror=alert(1)><b>bold</b>"


def picture(folder: Path, red: int, green: int, blue: int) -> str:
    path = folder / "picture.png"
    Image.new("RGB", (400, 200), (red, green, blue)).save(path, "PNG")
    return str(path)


def opened(browser: Browser, server: SimpleNamespace) -> Browser:
    browser.open(f"http://127.0.0.1:{server.server.rest_port}/")
    browser.wait_for("document.querySelector('#requests tr')")
    return browser


def opened_real(browser: Browser, real: Any, model: str) -> Browser:
    browser.open(real.url)
    browser.wait_for("document.querySelector('#model option')")
    browser.choose_option("#model", model)
    return browser


def texts(browser: Browser, selector: str) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0])].map((element) => element.textContent)"
    found: list[str] = browser.run(script, selector)
    return found


def column(browser: Browser, table: str, label: str) -> list[str]:
    return texts(browser, f"#{table} td[data-label='{label}']")


def outcome(browser: Browser) -> str:
    """What is said once an answer or a refusal is there."""
    waiting = "document.getElementById('outcome').textContent.match(/^(?!Sending ).+/)"
    return str(browser.wait_for(waiting)[0])


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def shown_size(browser: Browser) -> tuple[int, int]:
    """Of the picture, and of the boxes' canvas above it."""
    sizes = browser.run("""
        const [photograph, boxes] = ["photograph", "boxes"].map((name) => document.getElementById(name));
        return [photograph, boxes].map((each) => each.getBoundingClientRect().toJSON());""")
    assert sizes[0] == sizes[1]
    return sizes[0]["width"], sizes[0]["height"]


def pixel(browser: Browser, x: float, y: float) -> list[int]:
    script = (
        "return [...document.getElementById('boxes').getContext('2d').getImageData(...arguments, 1, 1).data]"
    )
    read: list[int] = browser.run(script, round(x), round(y))
    return read


def test_models_are_shown(serve: Serve, browser: Browser) -> None:
    server = serve(rest=OPEN, models={"colour": {1: "1.0"}, "other": {7: "1.0"}})
    window = opened(browser, server)
    assert texts(window, "#server")[0].startswith("Ready; version ")
    assert texts(window, "#server")[0].endswith("; device cpu")
    assert texts(window, "#versions th") == ["colour", "other"]
    assert column(window, "versions", "Version") == ["1", "7"]
    assert column(window, "versions", "State") == ["AVAILABLE", "AVAILABLE"]
    assert column(window, "versions", "Runs on") == ["numpy, 1 thread"] * 2
    assert texts(window, "#model option") == ["colour", "other"]
    assert window.complaints() == []


def test_requests_and_errors_are_shown_by_model(serve: Serve, browser: Browser, photo: bytes) -> None:
    server = serve(rest=OPEN)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server.rest_port}") as client:
        for body in (photo, photo, b"no picture"):
            client.post("/status/try/colour", content=body)
        client.post("/status/try/M", content=photo)
    window = opened(browser, server)
    assert texts(window, "#requests th") == ["colour", "(a model that is not served)"]
    assert column(window, "requests", "Total") == ["3", "1"]
    assert column(window, "requests", "Errors") == ["1INVALID_ARGUMENT 1", "1NOT_FOUND 1"]
    assert float(column(window, "requests", "Per second")[0]) > 0
    for quantile in ("p50", "p99"):
        assert column(window, "requests", quantile)[0].endswith((" ms", " µs", " s"))
    assert column(window, "requests", "Images answered") == ["2", ""]
    alignment = "return [...new Set([...document.querySelectorAll('.number')].map((e) => getComputedStyle(e).textAlign))]"
    assert window.run(alignment) == ["right"]


def test_times_have_axes(serve: Serve, browser: Browser, tmp_path: Path) -> None:
    window = opened(browser, serve(rest=OPEN))
    window.choose_file("#picture", picture(tmp_path, 10, 30, 20))
    # The page asks again by itself, and then shows how long that took.
    window.wait_for("document.querySelectorAll('#stages svg').length === 6")
    assert texts(window, "#stages th") == ["colour", *STAGES, "serialize"]
    axes = texts(window, "#stages tr:nth-child(2) svg text")
    assert axes == ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "1", "0"]
    assert window.run("return document.querySelectorAll('#stages tr:nth-child(2) rect').length") == 21


NUMBERS = {
    "duration(8.4e-6)": "8.40 µs",
    "duration(0.00099949)": "999 µs",
    "duration(0.00099951)": "1.00 ms",
    "duration(0.0123456)": "12.3 ms",
    "duration(83.2)": "83.2 s",
    "quantile({ seconds: 26.2144, at_least: true })": "≥ 26.2 s",
    "quantile({ seconds: 0.002, at_least: false })": "2.00 ms",
    "percent(0.9512)": "95.1 %",
    "percent(0.0001)": "< 0.1 %",
    "percent(0)": "0.0 %",
    "count(1234567)": "1,234,567",
    "rate(0)": "0",
    "rate(0.0456)": "0.0456",
    "bytes(268435456)": "268 MB",
}


def test_numbers_are_written_as_people_read_them(serve: Serve, browser: Browser) -> None:
    window = opened(browser, serve(rest=OPEN))
    written = {
        call: window.run(f"return import('/status/text.js').then((text) => text.{call})") for call in NUMBERS
    }
    assert written == NUMBERS


def test_a_photograph_gets_its_classes(real: Any, browser: Browser) -> None:
    window = opened_real(browser, real, "classifier")
    window.choose_file("#picture", str(real.photographs["coffee"]))
    said = outcome(window)
    best, *others = texts(window, "#found li span:first-child")
    assert said.startswith(f"coffee.jpg: {best}, ")
    assert " classifier took " in said
    assert best.split(maxsplit=1)[1] in ("espresso", "cup", "coffee mug")
    assert len(others) == 4
    scores = [float(text.removeprefix("< ").removesuffix(" %")) for text in texts(window, "#found .number")]
    assert scores == sorted(scores, reverse=True)
    assert 0 < sum(scores) <= 100.5
    assert texts(window, "#times th") == [*STAGES, "in the server", "for this page, upload included"]
    assert all(text.endswith((" s", " ms", " µs")) for text in texts(window, "#times td"))
    assert shown_size(window) == size_of(real.photographs["coffee"])
    assert window.run("return document.getElementById('threshold').hidden") is True
    assert window.complaints() == []


def test_scores_that_are_no_probabilities_are_shown_as_they_are(
    serve: Serve, browser: Browser, tmp_path: Path
) -> None:
    window = opened(browser, serve(rest=OPEN))
    window.choose_file("#picture", picture(tmp_path, 10, 30, 20))
    assert outcome(window).startswith("picture.png: green, 30.0. colour took ")
    assert texts(window, "#found li") == ["green30.0", "blue20.0", "red10.0"]


def test_a_photograph_gets_its_boxes(real: Any, browser: Browser) -> None:
    window = opened_real(browser, real, "detector")
    photograph = real.photographs["china"]
    answer = httpx.post(f"{real.url}status/try/detector", content=photograph.read_bytes()).json()
    likely = [entry for entry in answer["found"] if entry["score"] >= 0.5]
    window.choose_file("#picture", str(photograph))
    assert outcome(window).startswith(f"china.jpg: {len(likely)} objects found. detector took ")
    shown = [
        f"{number}{entry['label']}{100 * entry['score']:.1f} %" for number, entry in enumerate(likely[:25], 1)
    ]
    assert texts(window, "#found li:not(.note)") == shown
    assert texts(window, "#found li.note")[0] == f"{len(likely) - 25} more, not drawn"
    window.set_value("#least", 100)
    assert texts(window, "#found li") == [f"{len(answer['found'])} below the least score"]
    least = -(-100 * likely[0]["score"] // 1) - 1
    window.set_value("#least", least)
    # The best box alone, or with what scores nearly as much; its lower edge is never below another's label.
    _, left, bottom, right = likely[0]["box"]
    width, height = shown_size(window)
    assert texts(window, "#found li:first-child .mark") == ["1"]
    middle = (left + right) / 2 * width, min(bottom * height, height - 1)
    assert pixel(window, *middle) == RED
    assert window.complaints() == []


def test_boxes_are_where_they_belong(
    serve: Serve, browser: Browser, tmp_path: Path, scoring_network: object
) -> None:
    window = opened(browser, serve(rest=OPEN, network=scoring_network))
    window.choose_file("#picture", picture(tmp_path, 10, 20, 51))
    assert outcome(window).startswith("picture.png: no objects found.")
    assert texts(window, "#found li") == ["1 below the least score"]
    window.set_value("#least", 20)
    assert texts(window, "#found li") == ["1blue20.0 %"]
    assert texts(window, "#least-said") == ["20 %"]
    # The box is (0.25, 0.1, 0.75, 0.9) of a picture of 400 x 200.
    assert pixel(window, 200, 100) == CLEAR
    assert pixel(window, 5, 195) == CLEAR
    for edge in ((40, 100), (360, 100), (200, 50), (200, 150)):
        assert pixel(window, *edge) == RED
    assert window.complaints() == []


def test_boxes_are_sharp_on_a_phones_display(
    serve: Serve, browser: Browser, tmp_path: Path, scoring_network: object
) -> None:
    browser.resize(360, 800, scale=3)
    window = opened(browser, serve(rest=OPEN, network=scoring_network))
    window.choose_file("#picture", picture(tmp_path, 10, 20, 51))
    outcome(window)
    window.set_value("#least", 20)
    width, height = shown_size(window)
    assert width < 360
    assert height == pytest.approx(width / 2, abs=1)
    assert window.run("return document.getElementById('boxes').width") == 3 * width
    assert pixel(window, 3 * 0.1 * width, 3 * 0.5 * height) == RED
    assert pixel(window, 3 * 0.5 * width, 3 * 0.75 * height) == RED


def test_a_picture_is_shown_as_the_network_sees_it(
    serve: Serve, browser: Browser, tmp_path: Path, scoring_network: object
) -> None:
    """Networks ignore EXIF's orientation, so a box would be elsewhere on a picture that was turned."""
    turned = Image.new("RGB", (400, 200), (10, 20, 51))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    window = opened(browser, serve(rest=OPEN, network=scoring_network))
    window.choose_file("#picture", str(tmp_path / "turned.jpg"))
    outcome(window)
    assert shown_size(window) == (400, 200)
    window.set_value("#least", 20)
    for edge in ((40, 100), (360, 100), (200, 50), (200, 150)):
        assert pixel(window, *edge) == RED


def test_a_file_that_only_the_server_can_read_gets_its_answer(
    serve: Serve, browser: Browser, tmp_path: Path
) -> None:
    window = opened(browser, serve(rest=OPEN))
    window.run("HTMLImageElement.prototype.decode = () => Promise.reject(new Error('not this one'))")
    window.choose_file("#picture", picture(tmp_path, 10, 30, 20))
    assert outcome(window).endswith(". This browser cannot show the file.")
    assert texts(window, "#found li")[0] == "green30.0"
    assert window.run("return document.getElementById('shown').hidden") is True


def test_a_dropped_photograph_is_taken_wherever_it_falls(real: Any, browser: Browser) -> None:
    window = opened_real(browser, real, "classifier")
    window.drop("h1", str(real.photographs["chelsea"]))
    assert outcome(window).startswith("chelsea.jpg: ")
    assert texts(window, "#found li span:first-child")[0].split(maxsplit=1)[1] in (
        "tabby",
        "tiger cat",
        "Egyptian cat",
    )
    # Another model is asked about the same picture as soon as it is chosen.
    window.choose_option("#model", "detector")
    window.wait_for("document.getElementById('outcome').textContent.includes('detector took')")


def test_a_file_that_is_no_picture_is_told(serve: Serve, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("no picture")
    window = opened(browser, serve(rest=OPEN))
    window.choose_file("#picture", str(tmp_path / "note.txt"))
    assert outcome(window) == (
        "note.txt: Unknown image file format. One of JPEG, PNG, GIF, BMP, WebP required. "
        "Got 10 bytes that begin with b'no pictu'."
    )
    assert window.run("return document.getElementById('result').hidden") is True


def test_a_file_that_is_too_large_is_told(serve: Serve, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(bytes(2_500_000))
    window = opened(browser, serve(rest=replace(OPEN, max_body_bytes=1_000_000)))
    window.choose_file("#picture", str(tmp_path / "large.png"))
    assert outcome(window) == "large.png has 2.50 MB, which is more than the 1.00 MB that the server takes."


def test_without_a_model_there_is_nothing_to_try(serve: Serve, browser: Browser, tmp_path: Path) -> None:
    server = serve(rest=OPEN)
    window = opened(browser, server)
    server.server.registry.reload([])
    window.wait_for("!document.querySelector('#model option')")
    window.choose_file("#picture", picture(tmp_path, 1, 2, 3))
    assert outcome(window) == "There is no model to try: the server serves none."


def broken_model(server: SimpleNamespace, publish: Callable[..., Path], name: str, gain: str) -> None:
    publish(server.folder / name, 3, gain)
    models = server.server.registry.models()
    with pytest.raises(LoadError):
        server.server.registry.reload(
            [*models, replace(models[0], name=name, base_path=server.folder / name)]
        )


def test_a_model_that_did_not_load_is_told(
    serve: Serve, browser: Browser, publish: Callable[..., Path], tmp_path: Path
) -> None:
    server = serve(rest=OPEN)
    broken_model(server, publish, "broken", "no number")
    window = opened(browser, server)
    assert texts(window, "#server")[0].startswith("Not ready; ")
    assert texts(window, "#model option") == ["colour", "broken (did not load)"]
    assert column(window, "versions", "State") == ["AVAILABLE", "START, did not load"]
    window.choose_option("#model", "broken")
    window.choose_file("#picture", picture(tmp_path, 1, 2, 3))
    assert outcome(window).startswith("picture.png: version 3 of model 'broken' did not load: ")


@pytest.mark.parametrize("width", [1200, 360])
def test_a_long_error_does_not_break_the_table(
    serve: Serve, browser: Browser, publish: Callable[..., Path], width: int
) -> None:
    server = serve(rest=OPEN)
    broken_model(server, publish, "broken", "x" * 3000)
    browser.resize(width, 800)
    window = opened(browser, server)
    shown, whole = texts(window, "#versions .why summary")[0], texts(window, "#versions .why p")[0]
    assert len(shown) == 241
    assert whole.startswith(shown[:-1])
    assert "x" * 3000 in whole
    # It opens, and stays open when the page asks again.
    window.run(
        "document.querySelector('summary').click(); document.querySelector('#requests td').dataset.old = ''"
    )
    window.run("document.querySelector('#versions tr.why').dataset.same = ''")
    window.wait_for("!document.querySelector('#requests td[data-old]')")
    assert window.run("return document.querySelector('[data-same] details').open") is True
    assert window.run("return document.documentElement.scrollWidth") == width


def test_what_others_wrote_is_never_markup(
    serve: Serve, browser: Browser, publish: Callable[..., Path], tmp_path: Path, colour_network: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(colour_network, "labels", (MARKUP,) * 3)
    monkeypatch.setattr(colour_network, "description", MARKUP)
    name = MARKUP.replace("/", "|")  # as a folder's and a file's name can be
    server = serve(rest=OPEN, models={name: {1: "1.0"}})
    broken_model(server, publish, "broken", MARKUP)
    file = shutil.move(picture(tmp_path, 1, 2, 3), tmp_path / f"{name}.png")
    window = opened(browser, server)
    window.choose_file("#picture", str(file))
    said = outcome(window)
    assert said.startswith(f"{name}.png: {MARKUP}, ")
    assert f". {name} took " in said
    window.wait_for("document.querySelector('#stages svg')")
    assert texts(window, "#found li span:first-child") == [MARKUP] * 3
    assert column(window, "versions", "Runs on")[0] == MARKUP
    assert texts(window, "#requests th") == [name, "broken"]
    assert texts(window, "#stages th")[0] == name
    assert MARKUP in texts(window, "#versions .why")[0]
    assert window.run("return document.querySelectorAll('main img:not(#photograph), main b').length") == 0
    assert window.complaints() == []


def test_updates_can_be_paused(serve: Serve, browser: Browser) -> None:
    window = opened(browser, serve(rest=OPEN))
    window.run("""
        const [wait, ask] = [setTimeout, fetch];
        document.body.dataset.asked = 0;
        window.fetch = (...all) => { ++document.body.dataset.asked; return ask(...all); };
        window.setTimeout = (look) => wait(() => { look(); ++document.body.dataset.looked; }, 10);
        document.getElementById("pause").click();
        document.body.dataset.looked = 0;""")
    window.wait_for("Number(document.body.dataset.looked) >= 5")
    assert window.run("return document.body.dataset.asked") == "0"
    assert window.run("return document.getElementById('pause').ariaPressed") == "true"
    window.run("document.getElementById('pause').click()")
    window.wait_for("Number(document.body.dataset.asked) >= 2")


def test_a_server_that_went_is_told(serve: Serve, browser: Browser) -> None:
    server = serve(rest=OPEN)
    window = opened(browser, server)
    server.server._frontends._rest.stop(0)
    window.wait_for("document.getElementById('server').textContent.startsWith('No answer from the server')")
    assert "what is shown is of " in texts(window, "#server")[0]
    assert texts(window, "#versions th") == ["colour"]
