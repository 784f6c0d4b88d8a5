"""A headless Chromium, driven through chromedriver's WebDriver protocol: HTTP and JSON, no library needed.

`make test-browser` runs these tests; elsewhere they skip unless both programs are installed.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

_ELEMENT = (
    "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's identity, fixed by the W3C's protocol
)
_TIMEOUT_S = 60
_ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]


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

    def prefer(self, scheme: str) -> None:
        """Let pages know that their reader prefers a ``light`` or a ``dark`` scheme."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._post("goog/cdp/execute", cmd="Emulation.setEmulatedMedia", params={"features": features})

    def screenshot(self) -> bytes:
        """The window as a PNG."""
        response = self._client.get(f"/session/{self._session}/screenshot")
        return base64.b64decode(response.json()["value"])

    def complaints(self) -> list[str]:
        """What the page wrote to the console as errors: scripts that failed, contents that a policy forbade."""
        entries = self._post("se/log", type="browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def _post(self, path: str, **body: object) -> Any:
        response = self._client.post(f"/session/{self._session}/{path}", json=body)
        value = response.json()["value"]
        assert response.status_code == 200, value
        return value


@pytest.fixture(scope="session")
def driver() -> Iterator[httpx.Client]:
    program = shutil.which("chromedriver")
    if program is None or shutil.which("chromium") is None:
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    with subprocess.Popen([program, "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = next(
                found[1]
                for line in process.stdout
                if (found := re.search(r"successfully on port (\d+)", line))
            )
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_TIMEOUT_S) as client:
                yield client
        finally:
            process.terminate()


@pytest.fixture
def browser(driver: httpx.Client) -> Iterator[Callable[[], Browser]]:
    sessions: list[str] = []

    def start() -> Browser:
        options = {"binary": shutil.which("chromium"), "args": _ARGUMENTS}
        wishes = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = driver.post("/session", json={"capabilities": {"alwaysMatch": wishes}}).json()["value"]
        assert "sessionId" in answer, answer
        sessions.append(answer["sessionId"])
        return Browser(driver, sessions[-1])

    yield start
    for session in sessions:
        driver.delete(f"/session/{session}")
