"""The report of a real run in a real browser, opened from a file and under its own policy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.server.rest.browser.chromium import NEEDS, chromedriver, window

from accelserve.server.cli.group import run
from accelserve.server.config import RestConfig

pytestmark = pytest.mark.browser

HOSTILE = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_opens_offline_and_breaks_no_rule(
    serve: Callable[..., SimpleNamespace], tmp_path: Path, scheme: str
) -> None:
    if not all(map(shutil.which, NEEDS)):
        pytest.skip("needs Chromium and its driver: apt-get install chromium chromium-driver")
    server = serve(rest=RestConfig(address="127.0.0.1", port=0)).server
    folder = tmp_path / f"pictures {HOSTILE.replace('/', '')}"
    folder.mkdir()
    from accelserve.models.samples import write_sample_photographs

    write_sample_photographs(folder)
    report = tmp_path / "report.html"
    words = [
        "--ramp",
        "--max_callers=2",
        "--duration=1",
        "--warm_up=0",
        f"--images={folder}",
        f"--report={report}",
        f"--metrics=http://127.0.0.1:{server.rest_port}/monitoring/prometheus/metrics",
    ]
    assert run(["bench", f"127.0.0.1:{server.port}", *words]) == 0
    with chromedriver() as driver, window(driver) as browser:
        browser.prefer(scheme)
        browser.open(report.as_uri())
        assert browser.run("return document.querySelectorAll('svg').length") == 3
        breakdown = browser.run("return [...document.querySelectorAll('svg')].at(-1).textContent")
        for stage in ("decode", "preprocess", "queue", "compute", "postprocess", "serialize"):
            assert f"{stage}: " in breakdown
        assert browser.run("return document.title").startswith("Load on 127.0.0.1")
        assert "<script>" in browser.run("return document.querySelector('dl').textContent")
        assert browser.run("return document.querySelectorAll('script, img').length") == 0
        assert browser.run("return performance.getEntriesByType('resource').length") == 0
        # The style sheet counts, so the policy lets it in.
        line = "getComputedStyle(document.querySelector('polyline'))"
        assert browser.run(f"return {line}.fill") == "none"
        assert browser.run(f"return {line}.stroke").startswith("rgb(")
        assert (
            browser.run("const box = document.querySelector('svg').getBoundingClientRect(); return box.width")
            > 300
        )
        browser.resize(390, 800)
        assert browser.run("return document.documentElement.scrollWidth") <= 390
        assert browser.complaints() == []
