"""A headless Chromium, driven through chromedriver's WebDriver protocol: HTTP and JSON, no library needed."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

_ELEMENT = (
    "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's identity, fixed by the W3C's protocol
)
_TIMEOUT_S = 240
"""After which something is wrong, on the slowest machine; a script has half a minute where nobody says so."""
_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
]
_NARROW = 500  # a desktop's window is at least as wide
NEEDS = ("chromium", "chromedriver")


class Browser:
    """One window."""

    def __init__(self, client: httpx.Client, session: str) -> None:
        self._client = client
        self._session = session

    def open(self, address: str) -> None:
        self._post("url", url=address)

    def run(self, script: str, *arguments: object) -> Any:
        """A script's value, or that of the promise that it returns."""
        return self._post("execute/sync", script=script, args=list(arguments))

    def wait_for(self, condition: str) -> Any:
        """The first true value of a JavaScript expression; the page says by itself when to look again."""
        script = f"""
            return new Promise((resolve) => {{
                const look = () => {{ const value = {condition}; if (value) {{ watch.disconnect(); resolve(value); }} }};
                const watch = new MutationObserver(look);
                watch.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
                look();
            }});"""
        return self.run(script)

    def choose_file(self, selector: str, path: str) -> None:
        element = self._post("element", using="css selector", value=selector)[_ELEMENT]
        self._post(f"element/{element}/value", text=path)

    def choose_option(self, selector: str, value: str) -> None:
        """As a person chooses one of a list."""
        self._change(selector, value, "change")

    def set_value(self, selector: str, value: float) -> None:
        """As a person moves a slider."""
        self._change(selector, str(value), "input")

    def _change(self, selector: str, value: str, event: str) -> None:
        script = """
            const element = document.querySelector(arguments[0]);
            element.value = arguments[1];
            element.dispatchEvent(new Event(arguments[2], { bubbles: true }));"""
        self.run(script, selector, value, event)

    def prefer(self, scheme: str) -> None:
        """Let pages know that their reader prefers a ``light`` or a ``dark`` scheme."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", features=features)

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        """The page's own size in CSS pixels, each ``scale`` of the display's; also narrower than a window can be."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < _NARROW}
        self.command("Emulation.setDeviceMetricsOverride", **metrics)

    def press(self, *keys: str) -> None:
        """Type on the keyboard, whatever has the focus."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._post("actions", actions=[{"type": "key", "id": "keyboard", "actions": strokes}])

    def drop(self, selector: str, path: str) -> None:
        """Drag a file over the middle of an element and let it go, as from a file manager."""
        box = self.run("return document.querySelector(arguments[0]).getBoundingClientRect()", selector)
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        data = {"items": [], "files": [path], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.command("Input.dispatchDragEvent", type=kind, data=data, **place)

    def screenshot(self) -> bytes:
        """The whole page as a PNG, at its width."""
        size = self.run("return document.documentElement.getBoundingClientRect()")
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = self.command("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(taken["data"])

    def command(self, name: str, **parameters: object) -> Any:
        """One command of Chromium's own protocol."""
        return self._post("goog/cdp/execute", cmd=name, params=parameters)

    def complaints(self) -> list[str]:
        """What the page wrote to the console as errors: scripts that failed, contents that a policy forbade."""
        entries = self._post("se/log", type="browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def _post(self, path: str, **body: object) -> Any:
        response = self._client.post(f"/session/{self._session}/{path}", json=body)
        value = response.json()["value"]
        assert response.status_code == 200, value
        return value


@contextmanager
def chromedriver() -> Iterator[httpx.Client]:
    """A client of a driver on a port of its own; ends with the block, and its windows with it."""
    with subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = (re.search(r"successfully on port (\d+)", line) for line in process.stdout)
            port = next(found[1] for found in lines if found)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_TIMEOUT_S + 60) as client:
                yield client
        finally:
            process.terminate()


@contextmanager
def window(driver: httpx.Client) -> Iterator[Browser]:
    """A new window, without a history or a cache."""
    options = {"binary": shutil.which("chromium"), "args": _ARGUMENTS}
    wishes = {
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "ALL"},
        "timeouts": {"script": 1000 * _TIMEOUT_S},
    }
    answer = driver.post("/session", json={"capabilities": {"alwaysMatch": wishes}}).json()["value"]
    assert "sessionId" in answer, answer
    try:
        yield Browser(driver, answer["sessionId"])
    finally:
        driver.delete(f"/session/{answer['sessionId']}")
