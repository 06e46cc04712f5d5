"""A page of an agent's, as ``workhand open`` shows it, reaches nothing in a real browser, whatever it tries."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loopback import Handler, serving
from tests.programs import needs
from workhand.browser.chromium import PROGRAMS
from workhand.cli.display.sheet import Sheet, page

CHROMIUM = next(filter(None, map(shutil.which, PROGRAMS)), None)
TRIES = {
    "goes there": "<script>location = 'URL/a'</script>",
    "is sent there": "<meta http-equiv=refresh content='0;url=URL/a'>",
    "takes the whole window": "<script>open('URL/a'); top.location = 'URL/b'</script>",
    "sends a form": "<form id=f method=post action='URL/a'></form><script>f.submit()</script>",
    "loads": "<img src='URL/a'><link rel=prefetch href='URL/b'><iframe src='URL/c'></iframe>",
    "asks": "<script>navigator.sendBeacon('URL/a'); new Image().src = 'URL/b'; fetch('URL/c')</script>",
    "has a frame do it": "<iframe srcdoc=\"<script>location = 'URL/a'</script>\"></iframe>",
}


@pytest.fixture
def visits() -> Iterator[tuple[str, list[str]]]:
    """A server of ours, and what it was asked for."""
    asked: list[str] = []

    class Asked(Handler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_POST = do_GET

    with serving(Asked) as port:
        yield f"http://127.0.0.1:{port}", asked


def browse(folder: Path, content: str) -> None:
    (folder / "page.html").write_text(content)
    argv = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    argv += ["--virtual-time-budget=2000", "--dump-dom", f"file://{folder / 'page.html'}"]
    subprocess.run(argv, capture_output=True, timeout=120, check=True)


@needs(CHROMIUM or "chromium", package="chromium")
@pytest.mark.parametrize("attempt", list(TRIES.values()), ids=list(TRIES))
def test_a_page_reaches_nothing_that_it_would_reach_alone(
    tmp_path: Path, visits: tuple[str, list[str]], attempt: str
) -> None:
    url, asked = visits
    content = attempt.replace("URL", url)
    browse(tmp_path, page(Sheet("page.html", content.encode())))
    assert asked == []
    browse(tmp_path, content)
    assert asked
