"""The status page for everybody: by keyboard, on a phone, light and dark, as axe-core sees it for screen readers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.server.rest.browser.chromium import Browser

from accelserve.server.config import RestConfig
from accelserve.server.errors import LoadError

pytestmark = pytest.mark.browser

OPEN = RestConfig(address="127.0.0.1", port=0)
TAB, ENTER, SPACE, DOWN, RIGHT = "\ue004", "\ue007", " ", "\ue015", "\ue014"  # WebDriver's names of keys
DESKTOP, PHONE = 1200, 360
# What a wide element is, for a message that can be acted on.
TOO_WIDE = """
    return [...document.querySelectorAll("body *")]
        .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5 && !element.closest(".unseen, thead"))
        .map((element) => element.outerHTML.slice(0, 80));"""


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script."""
    package = find_spec("axe_playwright_python")
    if package is None or package.origin is None:
        pytest.skip("needs axe-core: pip install --no-deps -r requirements/browser.txt")
    return (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def complaints(browser: Browser, axe: str) -> list[str]:
    """What axe-core has against the page, its recommendations of good practice included."""
    browser.run(f"if (!window.axe) {{ {axe} }}")
    passed, failed = browser.run("""
        return axe.run().then(({ passes, violations }) => [
            passes.map((rule) => rule.id),
            violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html} ${node.failureSummary}`)),
        ]);""")
    assert {"color-contrast", "label", "landmark-unique", "select-name"} <= set(passed)
    return list(failed)


def try_photograph(browser: Browser, real: Any, model: str, photograph: str) -> None:
    browser.choose_option("#model", model)
    browser.choose_file("#picture", str(real.photographs[photograph]))
    browser.wait_for(f"document.getElementById('outcome').textContent.includes('{model} took')")
    browser.wait_for(f"document.getElementById('stages').textContent.includes('{model}')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_has_nothing_to_say(real: Any, browser: Browser, axe: str, scheme: str, width: int) -> None:
    httpx.post(f"{real.url}status/try/classifier", content=b"no picture")
    browser.command("Page.setBypassCSP", enabled=True)  # axe is a script from elsewhere
    browser.prefer(scheme)
    browser.resize(width, 800)
    browser.open(real.url)
    browser.wait_for("document.querySelector('#model option')")
    assert browser.run("return matchMedia('(prefers-color-scheme: dark)').matches") is (scheme == "dark")
    assert complaints(browser, axe) == []
    for model, photograph in (("classifier", "coffee"), ("detector", "china")):
        try_photograph(browser, real, model, photograph)
        assert complaints(browser, axe) == []
        assert browser.run(TOO_WIDE) == []
        assert browser.run("return document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_nothing_against_errors(
    serve: Callable[..., SimpleNamespace], publish: Callable[..., Path], browser: Browser, axe: str, scheme: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    server = serve(rest=OPEN)
    models = server.server.registry.models()
    for name, gain in (("broken", "short"), ("hidden", "long " * 100)):
        publish(server.folder / name, 1, gain)
    broken = [replace(models[0], name=name, base_path=server.folder / name) for name in ("broken", "hidden")]
    with pytest.raises(LoadError):
        server.server.registry.reload([*models, *broken])
    (tmp_path / "note.txt").write_text("no picture")
    browser.command("Page.setBypassCSP", enabled=True)
    browser.prefer(scheme)
    browser.open(f"http://127.0.0.1:{server.server.rest_port}/")
    browser.wait_for("document.querySelector('summary')")
    browser.choose_file("#picture", str(tmp_path / "note.txt"))
    browser.wait_for("document.getElementById('outcome').className === 'failed'")
    assert complaints(browser, axe) == []


def test_a_screen_reader_gets_tables_on_a_phone_too(real: Any, browser: Browser) -> None:
    browser.resize(PHONE, 800)
    browser.open(real.url)
    browser.wait_for("document.querySelector('#versions tr')")
    tree = browser.command("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in tree if not node["ignored"]]
    names = [
        node["name"]["value"] for node in tree if not node["ignored"] and node["role"]["value"] == "table"
    ]
    assert names[:2] == ["Models", "Requests"]
    assert roles.count("columnheader") >= 14
    assert roles.count("rowheader") >= 4
    assert roles.count("status") == 2


def test_everything_can_be_done_by_keyboard(real: Any, browser: Browser) -> None:
    browser.open(real.url)
    browser.wait_for("document.querySelector('#model option')")
    try_photograph(browser, real, "detector", "coffee")  # the system's own dialogue is no page
    browser.run("document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0)")
    reached = []
    for _ in range(4):
        browser.press(TAB)
        focused = "return [document.activeElement.id, getComputedStyle(document.activeElement).outlineStyle]"
        reached.append(tuple(browser.run(focused)))
    assert reached == [(name, "solid") for name in ("pause", "model", "picture", "least")]
    before = browser.run("return document.querySelectorAll('#found li:not(.note)').length")
    browser.press(*[RIGHT] * 49)
    assert browser.run("return document.getElementById('least-said').textContent") == "99 %"
    assert browser.run("return document.querySelectorAll('#found li:not(.note)').length") < before
    browser.run("document.getElementById('pause').focus()")
    browser.press(SPACE)
    assert browser.run("return document.getElementById('pause').ariaPressed") == "true"


def test_the_model_is_chosen_by_keyboard(real: Any, browser: Browser) -> None:
    browser.open(real.url)
    browser.wait_for("document.querySelector('#model option')")
    try_photograph(browser, real, "classifier", "coffee")
    browser.run("document.getElementById('model').focus()")
    browser.press(SPACE, DOWN, ENTER)
    browser.wait_for("document.getElementById('outcome').textContent.includes('detector took')")


def test_what_did_not_change_is_left_alone(real: Any, browser: Browser) -> None:
    """Who reads, selects or listens is not disturbed by the next look."""
    browser.open(real.url)
    browser.wait_for("document.querySelector('#versions tr')")
    httpx.post(f"{real.url}status/try/classifier", content=real.photographs["coffee"].read_bytes())
    browser.run("for (const cell of document.querySelectorAll('td')) cell.old = true")
    browser.wait_for("[...document.querySelectorAll('#requests td')].some((cell) => !cell.old)")
    assert browser.run("return [...document.querySelectorAll('#versions td')].every((cell) => cell.old)")
