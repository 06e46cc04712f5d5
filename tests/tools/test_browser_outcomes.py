"""What the browser's functions make of a page: what is shown, what it is called later, what is kept, where files go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from workhand.core.browsing import Act, File, Form, Node, Seen
from workhand.core.ports import Outcome
from workhand.errors import SandboxUnavailable
from workhand.sandbox.client import DaemonSandbox
from workhand.sandbox.probe import open_sandbox
from workhand.sandbox.spec import MachineSpec
from workhand.tools.browser import BrowserAct, BrowserOpen, BrowserView, browser_act, browser_open, browser_view

pytestmark = pytest.mark.anyio
URL = "https://a.example/x"
WHOLE = 'heading "Here"\nbutton "Go" [ref=e1]'


@dataclass
class Shows:
    """A browser that shows one page, or says one sentence, whatever it is asked."""

    answer: Seen | str
    acts: list[Act] = field(default_factory=list)

    async def open(self, url: str, *, tab: int = 0) -> Seen | str:
        if url == "nowhere":
            raise SandboxUnavailable("There is no Chromium.")
        return self.answer

    async def view(self, form: Form, find: str = "") -> Seen | str:
        return self.answer

    async def act(self, act: Act) -> Seen | str:
        self.acts.append(act)
        return self.answer

    async def close(self) -> None:
        return None

    def node(self, ref: str) -> Node | None:
        return None

    def address(self) -> str:
        return URL


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[DaemonSandbox]:
    async with await open_sandbox("unsafe", MachineSpec(session="tools", workspace=tmp_path, owned=True)) as opened:
        yield opened


async def test_a_page_enters_as_it_is_and_is_called_by_its_address(sandbox: DaemonSandbox) -> None:
    browser = Shows(Seen(URL, "Here", WHOLE, WHOLE, notes=("The server answered 404.",)))
    assert await browser_open(BrowserOpen("a.example/x"), browser, sandbox) == Outcome(
        f"Here {URL}\n[The server answered 404.]", f"browser_open a.example/x: {URL}", WHOLE.encode(), as_is=True
    )


async def test_what_changed_is_shown_and_the_whole_page_is_kept(sandbox: DaemonSandbox) -> None:
    browser = Shows(Seen(URL, "Here", "+ text: more", WHOLE))
    assert await browser_act(BrowserAct("type", "e1", "words " * 20), browser, sandbox) == Outcome(
        f"Here {URL}\n+ text: more",
        f"browser_act type e1 'words words words words words words wo…: {URL}",
        WHOLE.encode(),
        as_is=True,
        hidden=True,
    )
    assert browser.acts == [Act("type", "e1", "words " * 20)]


async def test_a_picture_is_kept_and_not_shown_as_text(sandbox: DaemonSandbox) -> None:
    browser = Shows(Seen(URL, "Here", "", "", picture=b"\x89PNG"))
    assert await browser_view(BrowserView("picture"), browser, sandbox) == Outcome(
        f"Here {URL}\na picture of 4 bytes",
        f"browser_view picture: {URL}, a picture of 4 bytes",
        b"\x89PNG",
        picture="image/png",
        as_is=True,
        hidden=True,
    )


async def test_what_could_not_be_done_is_an_observation(sandbox: DaemonSandbox) -> None:
    assert await browser_view(BrowserView(find="x"), Shows("No page is open."), sandbox) == Outcome(
        "No page is open.", "browser_view snapshot 'x': No page is open.", ok=False
    )


async def test_that_there_is_no_browser_is_an_observation(sandbox: DaemonSandbox) -> None:
    assert await browser_open(BrowserOpen("nowhere"), Shows(""), sandbox) == Outcome(
        "There is no Chromium.", "browser_open nowhere: There is no Chromium.", ok=False
    )


async def test_downloads_lie_in_the_workspace_beside_each_other(sandbox: DaemonSandbox, tmp_path: Path) -> None:
    browser = Shows(Seen(URL, "", "", "", files=(File("a.txt", b"1"), File("a.txt", b"22"))))
    outcome = await browser_act(BrowserAct("click", "e1"), browser, sandbox)
    assert (
        outcome.head == f"{URL}\n[downloaded to downloads/a.txt: 1 bytes]\n[downloaded to downloads/a-2.txt: 2 bytes]"
    )
    assert {path.name: path.read_bytes() for path in (tmp_path / "downloads").iterdir()} == {
        "a.txt": b"1",
        "a-2.txt": b"22",
    }


async def test_files_to_upload_are_read_from_the_workspace(sandbox: DaemonSandbox, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_bytes(b"A")
    (tmp_path / "b.txt").write_bytes(b"B")
    browser = Shows(Seen(URL, "", "", ""))
    await browser_act(BrowserAct("upload", "e1", "in/a.txt\n b.txt \n"), browser, sandbox)
    assert browser.acts == [Act("upload", "e1", "in/a.txt\n b.txt \n", (File("a.txt", b"A"), File("b.txt", b"B")))]
    assert not (await browser_act(BrowserAct("upload", "e1", " "), browser, sandbox)).ok
    with pytest.raises(FileNotFoundError):
        await browser_act(BrowserAct("upload", "e1", "absent"), browser, sandbox)
    assert len(browser.acts) == 1
