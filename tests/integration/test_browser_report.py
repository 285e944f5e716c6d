"""The HTML report in headless Chromium, from a file URL: nothing logged, nothing fetched, no sideways scroll."""

from __future__ import annotations

import datetime
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fer_deploy.gate.budget import Budget, Waiver
from fer_deploy.gate.figures import Expected
from fer_deploy.gate.judge import verdicts
from fer_deploy.gate.verdicts import Check
from fer_deploy.gate.waivers import apply_waivers
from fer_deploy.views.write import write_check, write_views
from fixtures.sample_report import sample_report

pytestmark = pytest.mark.browser
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
#: CSS pixels: a phone, and a laptop.
WIDTHS = (390, 1280)
_BROWSER = "not an origin"
#: The page forbids scripts to itself, so it is measured from a page around it.
FRAME = """<!doctype html><title>?</title>
<iframe id=inner src="PAGE" style="width:WIDTHpx;height:2000px;border:0"></iframe>
<script>onload = () => {
  const root = document.getElementById("inner").contentDocument.documentElement;
  document.body.textContent = `client=${root.clientWidth} scroll=${root.scrollWidth}`;
}</script>"""


@pytest.fixture(scope="module")
def chromium() -> str:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"NO BROWSER: none of {', '.join(NAMES)} is installed; the report was not opened in one")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample report, hostile labels and all, with verdicts in it."""
    folder = tmp_path_factory.mktemp("page")
    report = sample_report()
    limits = {"max_accuracy_drop": 4, "max_size_kb": 500, "max_p90_ms": 4}
    budget = Budget.model_validate({**limits, "accept": ("measured", "emulated")})
    waiver = Waiver(figure="size", until=datetime.date(2099, 1, 1), reason="<b>later</b>")
    found, notes = apply_waivers(
        verdicts(report, budget, Expected(), {}), (waiver,), datetime.date(2026, 1, 1), Expected()
    )
    write_views(report, folder)
    check = Check(created="", report="", report_sha256="", model="fer_s", verdicts=found, notes=notes)
    write_check(report, check, folder)
    return folder / "report.html"


def browse(chromium: str, url: str, folder: Path, *flags: str) -> str:
    """Return what Chromium prints; its profile and its network log lie in ``folder``."""
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += ["--disable-component-update", "--no-first-run", f"--user-data-dir={folder / 'profile'}"]
    command += ["--enable-logging=stderr", f"--log-net-log={folder / 'net.json'}", *flags, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def requests_of_the_page(log: Path) -> list[str]:
    """Return the addresses other than files that a page asked for."""
    text = log.read_text(encoding="utf-8")
    try:
        document: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError:  # Chromium may end without closing the list
        document = json.loads(text.rstrip().rstrip(",") + "]}")
    # What the browser asks for itself (its clock, its components) is "not an origin" by its own account.
    urls = {
        event["params"]["url"]
        for event in document["events"]
        if event.get("params", {}).get("url") and event["params"].get("initiator", _BROWSER) != _BROWSER
    }
    return sorted(url for url in urls if not url.startswith("file:"))


@pytest.mark.parametrize("width", WIDTHS)
def test_it_opens_clean_and_fits(chromium: str, page: Path, tmp_path: Path, width: int) -> None:
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.replace("PAGE", page.as_uri()).replace("WIDTH", str(width)))
    said = browse(
        chromium,
        frame.as_uri(),
        tmp_path,
        "--allow-file-access-from-files",
        "--virtual-time-budget=5000",
        "--dump-dom",
    )
    assert "CONSOLE" not in said, said
    sizes = re.search(r"client=(\d+) scroll=(\d+)", said)
    assert sizes, said
    assert int(sizes[1]) <= width
    assert int(sizes[2]) <= int(sizes[1]), "nothing sticks out to the side"
    assert requests_of_the_page(tmp_path / "net.json") == []


def test_it_is_drawn(chromium: str, page: Path, tmp_path: Path) -> None:
    """A screenshot at phone width that is not blank."""
    from PIL import Image

    picture = tmp_path / "page.png"
    said = browse(chromium, page.as_uri(), tmp_path, f"--screenshot={picture}", "--window-size=390,1600")
    assert "CONSOLE" not in said, said
    with Image.open(picture) as image:
        assert len(image.convert("RGB").getcolors(1 << 24) or []) > 50


def test_a_request_and_a_log_line_would_be_seen(chromium: str, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(
        "<img src='http://127.0.0.1:9/x.png'><script>console.error('oh')</script>"
    )
    said = browse(chromium, (tmp_path / "bad.html").as_uri(), tmp_path, "--dump-dom")
    assert "CONSOLE" in said
    assert requests_of_the_page(tmp_path / "net.json") == ["http://127.0.0.1:9/x.png"]
