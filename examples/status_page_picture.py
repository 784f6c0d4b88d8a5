"""Makes the README's picture of the status page: ``python -m examples.status_page_picture docs/images/status-page.png``.

As a newcomer does it: the sample network is converted and served by ``accelserve``'s own commands, some photographs are
sent to it, and then one is scored on the page, in a headless Chromium (``make test-browser`` installs it). The photograph
is scikit-image's ``coffee``: Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0 1.0.
"""

from __future__ import annotations

import base64
import io
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import httpx
from PIL import Image
from tests.server.rest.browser.chromium import Browser, chromedriver, window

from examples.open_nsfw import accelserve

NAME = "squeezenet"
WIDTH = 1000
REQUESTS = 400
CALLERS = 2
COLOURS = 256  # a palette keeps the file small
LARGEST_BYTES = 200_000


def publish(folder: Path) -> None:
    """The commands of the README's first screen."""
    steps = (
        ("sample", "photographs", "--output", str(folder / "photographs")),
        ("sample", "model", "--output", str(folder / "squeezenet.onnx")),
        ("convert", str(folder / "squeezenet.onnx"), "--name", NAME, "--repository", str(folder / "servables"),
         "--calibrate", str(folder / "photographs")),
    )  # fmt: skip
    for step in steps:
        subprocess.run(accelserve(*step), check=True)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A server of the model while the block runs; gives the link in its log."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = accelserve(
        "serve", "--grpc_address=127.0.0.1", "--port=0", f"--rest_api_port={port}", f"--model_name={NAME}",
        f"--model_base_path={folder / 'servables' / NAME}",
    )  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            yield next(
                found[1] for line in server.stderr if (found := re.search(r"Status page: (\S+)", line))
            )
        finally:
            server.send_signal(signal.SIGTERM)


def send(url: str, photographs: Path) -> None:
    """Requests as clients of TensorFlow Serving's REST send them, so that the page has something to tell."""
    pictures = [base64.b64encode(path.read_bytes()).decode() for path in sorted(photographs.glob("*.jpg"))]
    with httpx.Client(base_url=url, timeout=60) as client, ThreadPoolExecutor(CALLERS) as pool:

        def ask(number: int) -> None:
            body = {"instances": [{"b64": pictures[number % len(pictures)]}]}
            client.post(f"/v1/models/{NAME}:predict", json=body).raise_for_status()

        list(pool.map(ask, range(REQUESTS)))


def photograph(folder: Path) -> Path:
    """The picture to score, as a JPEG."""
    package = find_spec("skimage")
    if package is None or package.origin is None:
        sys.exit("the photograph comes from the package scikit-image: make setup")
    path = folder / "coffee.jpg"
    with Image.open(Path(package.origin).parent / "data" / "coffee.png") as picture:
        picture.save(path, quality=95)
    return path


def taken(browser: Browser, url: str, picture: Path) -> bytes:
    """The page as PNG, down to the scored picture's end."""
    browser.prefer("light")
    browser.resize(WIDTH, 800)
    browser.open(url)
    browser.wait_for("document.querySelector('#model option')")
    browser.choose_file("#picture", str(picture))
    browser.wait_for("!document.getElementById('result').hidden")
    browser.wait_for("document.getElementById('stages').rows.length")
    end = browser.run("return document.getElementById('stages-title').getBoundingClientRect().top")
    image = Image.open(io.BytesIO(browser.screenshot())).convert("RGB").crop((0, 0, WIDTH, int(end)))
    small = io.BytesIO()
    image.quantize(COLOURS).save(small, "PNG", optimize=True)
    return small.getvalue()


def main() -> None:
    """Write the file that the command line names."""
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        publish(folder)
        with served(folder) as url, chromedriver() as driver, window(driver) as browser:
            send(url, folder / "photographs")
            png = taken(browser, url, photograph(folder))
    if len(png) > LARGEST_BYTES:
        sys.exit(f"the picture has {len(png)} bytes; at most {LARGEST_BYTES} belong into a README")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(png)
    print(f"{target}: {len(png)} bytes")


if __name__ == "__main__":
    main()
