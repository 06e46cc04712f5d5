"""The ``browser_`` family: pages of the web, in a browser that has a machine and a user's profile of its own.

An outcome shows the page, or what an act changed on it; all of the page as it was is kept.  The compact form is the
address.  Files go between the browser and the session's machine as bytes: what a page hands over lands in
``downloads/`` of the workspace, and what is uploaded is read from the workspace.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast, get_args
from urllib.parse import urlsplit

from workhand.core.browsing import Act, Action, Browser, File, Form, Seen, intent
from workhand.core.events import ActForeseen
from workhand.core.ports import Outcome, Sandbox
from workhand.errors import SandboxError
from workhand.tools.file import ORIGINAL_BYTES_MAX

UPLOAD_BYTES_MAX = 32_000_000
URL_CHARS_SHOWN = 120
WHAT_CHARS_SHOWN = 40
WORDS_CHARS_SHOWN = 200
PNG = "image/png"
NO_PAGE = "Nothing was done: no page is open any more; open it again with browser_open."
DOWNLOADS = "downloads"
FORMS: tuple[Form, ...] = get_args(Form)
ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True, slots=True)
class BrowserOpen:
    url: str
    tab: int = 0


@dataclass(frozen=True, slots=True)
class BrowserView:
    form: str = "snapshot"
    find: str = ""


@dataclass(frozen=True, slots=True)
class BrowserAct:
    action: str
    ref: str = ""
    text: str = ""


async def browser_open(asked: BrowserOpen, browser: Browser, sandbox: Sandbox) -> Outcome:
    """Open an address.  That there is no browser ends no session: there is more that it can do."""
    try:
        seen = await browser.open(asked.url, tab=asked.tab)
    except SandboxError as error:
        seen = str(error)
    return await _outcome(f"browser_open {_cut(asked.url, URL_CHARS_SHOWN)}", seen, sandbox)


async def browser_view(asked: BrowserView, browser: Browser, sandbox: Sandbox) -> Outcome:
    seen = await browser.view(cast(Form, asked.form), asked.find)
    what = f" {_cut(repr(asked.find), WHAT_CHARS_SHOWN)}" if asked.find else ""
    return await _outcome(f"browser_view {asked.form}{what}", seen, sandbox)


async def browser_act(asked: BrowserAct, browser: Browser, sandbox: Sandbox) -> Outcome:
    """Perform an act; the files of an upload are those that ``text`` names, a path in a line."""
    if not browser.address():  # it ends with the process that runs the session
        return Outcome(NO_PAGE, NO_PAGE, ok=False, refused=True)
    files: tuple[File, ...] = ()
    if asked.action == "upload":
        paths = [line.strip() for line in asked.text.splitlines() if line.strip()]
        if not paths:
            text = "An upload needs the path of a file in the workspace as `text`, or several in lines of their own."
            return Outcome(text, text, ok=False)
        files = tuple([await _file(path, sandbox) for path in paths])
    seen = await browser.act(Act(cast(Action, asked.action), asked.ref, asked.text, files))
    words = " ".join(filter(None, (asked.action, asked.ref, asked.text and _cut(repr(asked.text), WHAT_CHARS_SHOWN))))
    return await _outcome(f"browser_act {words}", seen, sandbox)


def foreseen(call_id: str, asked: BrowserAct, browser: Browser, knows: Callable[[str, int], bool]) -> ActForeseen:
    """Say what an act would mean on the page as it was last shown."""
    node = browser.node(asked.ref) if asked.ref else None
    page = urlsplit(browser.address())
    host, port = page.hostname or "", page.port or (443 if page.scheme == "https" else 80)
    thing = f"{node.role} {node.name!r}" if node is not None else asked.ref
    words = " ".join(filter(None, (asked.action, thing, asked.text and repr(asked.text), host and f"at {host}")))
    meant = intent(Act(cast(Action, asked.action), asked.ref, asked.text), node)
    return ActForeseen(call_id, meant, _cut(words, WORDS_CHARS_SHOWN), host, knows(host, port))


async def _file(path: str, sandbox: Sandbox) -> File:
    return File(posixpath.basename(path), await sandbox.read(path, bytes_max=UPLOAD_BYTES_MAX))


async def _outcome(call: str, seen: Seen | str, sandbox: Sandbox) -> Outcome:
    if isinstance(seen, str):
        return Outcome(seen, f"{call}: {_cut(seen, URL_CHARS_SHOWN)}", ok=False)
    notes = [*seen.notes, *[await _kept(file, sandbox) for file in seen.files]]
    head = "\n".join([f"{seen.title} {seen.url}".strip(), *(f"[{note}]" for note in notes)])
    compact = f"{call}: {_cut(seen.url, URL_CHARS_SHOWN)}"
    if seen.picture:
        size = f"a picture of {len(seen.picture):,} bytes"
        return Outcome(f"{head}\n{size}", f"{compact}, {size}", seen.picture, as_is=True, hidden=True, picture=PNG)
    whole = seen.whole.encode(errors="replace")
    if seen.shown == seen.whole:
        return Outcome(head, compact, whole, as_is=True)
    return Outcome(f"{head}\n{seen.shown}", compact, whole[:ORIGINAL_BYTES_MAX], as_is=True, hidden=True)


async def _kept(file: File, sandbox: Sandbox) -> str:
    """Put what was downloaded into the workspace, beside what is there; say where."""
    stem, ending = posixpath.splitext(file.name)
    path, copies = f"{DOWNLOADS}/{file.name}", 1
    while await sandbox.status(path) is not None and copies < 100:
        copies += 1
        path = f"{DOWNLOADS}/{stem}-{copies}{ending}"
    await sandbox.write(path, file.content)
    return f"downloaded to {path}: {len(file.content):,} bytes"


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else f"{text[: chars_max - 1]}…"
