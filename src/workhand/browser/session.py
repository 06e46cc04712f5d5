"""A browser in a machine of its own, driven from the host: the ``Browser`` port over Playwright.

It is started when it is first needed, and again when it is gone.  Everything on the host that belongs to it ends with
``close``: the driver, the listener that leads to the browser, the machine.  Whatever a page does, each call comes back
within a time; what cannot be done is said in a sentence.  One drives at a time, the agent or a person.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from workhand.browser import chromium, reading
from workhand.browser.acting import perform
from workhand.browser.delta import delta, shorter
from workhand.browser.downloads import Downloads
from workhand.browser.gate import Gate
from workhand.browser.settling import settle
from workhand.browser.snapshot import Snapshot, Thing, bounded, compact, found, parsed
from workhand.browser.tabs import TABS_MAX, Tab, Tabs
from workhand.core.browsing import Act, Form, Node, Seen
from workhand.errors import SandboxLost, SandboxUnavailable

if TYPE_CHECKING:
    from playwright.async_api import Browser, CDPSession, Page

CONNECT_MS = 15_000.0
OPEN_MS = 30_000.0
ERROR_PAGE_MS = 1_000.0
VIEW_S = 10.0
CLOSE_S = 5.0
ELEMENTS_MAX = 15_000  # of a page whose accessibility tree is made
FRAMES_MAX = 20
TITLE_CHARS_MAX = 150
WHOLE_CHARS_MAX = 2_000_000
COUNT = "document.getElementsByTagName('*').length"
VALUES = "fields => fields.slice(0, 50).map(field => field.value)"
HIDDEN = "(hidden)"
SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):(?!\d)", re.IGNORECASE)
NOT_RUNNING = "No page is open; browser_open opens one."
ENDED = "The browser ended, and its pages with it; open the page again with browser_open."
DRIVEN = "The user drove the browser themselves: its pages may have changed, and references from before do not hold."
BUSY = f"The page did not answer within {VIEW_S:g} s; it may be busy for good: close its tab, or open another page."

REASONS = (  # what Playwright says, and what to tell the model
    ("ERR_TUNNEL_CONNECTION_FAILED", "the proxy let nothing through to that host"),
    ("ERR_EMPTY_RESPONSE", "the server answered nothing"),
    ("Target crashed", "it crashed"),
    ("has been closed", "its tab was closed meanwhile"),
    ("Timeout", "it did not answer within the time"),
)
OpenMachine = Callable[[], Awaitable[chromium.Machine]]


@dataclass(frozen=True, slots=True)
class Live:
    """A browser that runs, and what leads to it."""

    machine: chromium.Machine
    running: chromium.Running
    browser: Browser
    control: CDPSession
    tabs: Tabs
    downloads: Downloads
    resources: AsyncExitStack


@dataclass(frozen=True, slots=True)
class Driven:
    """A browser that a person drives."""

    tabs: Tabs
    open: Callable[[], Awaitable[object]]  # a new tab
    is_alive: Callable[[], bool]


class MachineBrowser:
    def __init__(self, open_machine: OpenMachine, *, proxy_port: int, trusted_keys: tuple[str, ...] = ()) -> None:
        self._open_machine = open_machine
        self._proxy_port = proxy_port
        self._trusted_keys = trusted_keys
        self._live: Live | None = None
        self._wheel = anyio.Lock()  # who has it drives

    async def open(self, url: str, *, tab: int = 0) -> Seen | str:
        async with self._wheel:
            return await self._open(url, tab)

    async def view(self, form: Form, find: str = "") -> Seen | str:
        async with self._wheel:
            return await self._view(form, find)

    async def act(self, act: Act) -> Seen | str:
        async with self._wheel:
            return await self._act(act)

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[Driven]:
        """Let a person drive, after what the agent is at; its further calls wait until they have done."""
        async with self._wheel:
            live = await self._started()
            try:
                yield Driven(live.tabs, live.browser.contexts[0].new_page, live.browser.is_connected)
            finally:
                live.tabs.forget(DRIVEN)

    async def _open(self, url: str, tab: int) -> Seen | str:
        from playwright.async_api import Error

        address = address_of(url)
        if isinstance(address, Refusal):
            return address.why
        live = await self._started()
        if tab > len(live.tabs.open) >= TABS_MAX:
            return f"There are {TABS_MAX} tabs already; close one, or open the page in one of them."
        try:
            chosen = await _tab(live, tab)
            status = await _go(chosen.page, address)
            await settle(chosen.page, chosen.requests)
            return await self._seen(live, chosen, "", status)
        except (Error, SandboxLost) as error:
            return self._failed(live, error, f"{address} could not be opened")
        except TimeoutError:
            return BUSY

    async def _view(self, form: Form, find: str) -> Seen | str:
        from playwright.async_api import Error

        live, tab = self._current()
        if live is None or tab is None:
            return NOT_RUNNING
        try:
            if form == "picture":
                with anyio.fail_after(VIEW_S):
                    picture = await tab.page.screenshot(timeout=VIEW_S * 1000)
                    return replace(await _blank(tab.page), picture=picture, notes=live.tabs.notes())
            if form == "snapshot":
                return await self._seen(live, tab, find)
            with anyio.fail_after(VIEW_S):
                text = reading.markdown(await _things(tab.page)) if form == "markdown" else await _text(tab.page)
                lines = [line for line in text.splitlines() if find.casefold() in line.casefold()]
                blank = await _blank(tab.page)
                return replace(blank, shown=bounded(lines), whole=text[:WHOLE_CHARS_MAX], notes=live.tabs.notes())
        except (Error, SandboxLost) as error:
            return self._failed(live, error, "The page could not be shown")
        except TimeoutError:
            return BUSY

    async def _act(self, act: Act) -> Seen | str:
        from playwright.async_api import Error

        live, tab = self._current()
        if live is None or tab is None:
            return NOT_RUNNING
        try:
            if act.action == "dialog":
                live.tabs.answer = act.text or "accept"
                return replace(
                    await _blank(tab.page), shown="The next dialog gets this answer; do what opens it again."
                )
            if act.action == "tab" and (problem := await _switch(live, act.text)):
                return problem
            if act.action == "close":
                await tab.page.close()
            elif problem := await perform(tab.page, act, tab.snapshot):
                return " ".join([problem, *live.tabs.notes()])
            now = live.tabs.current
            if now is None:
                return " ".join([*live.tabs.notes(), NOT_RUNNING])
            await settle(now.page, now.requests)
            return await self._seen(live, live.tabs.current or now, "", changes=True)
        except (Error, SandboxLost) as error:
            return self._failed(live, error, f"After {act.action} the page could not be shown")
        except TimeoutError:
            return BUSY

    def node(self, ref: str) -> Node | None:
        _, tab = self._current()
        return tab.snapshot.node(ref) if tab is not None else None

    def address(self) -> str:
        _, tab = self._current()
        return tab.page.url if tab is not None else ""

    async def close(self) -> None:
        """End the browser, so that it writes what it keeps; then its machine."""
        live, self._live = self._live, None
        if live is None:
            return
        from playwright.async_api import Error

        with anyio.CancelScope(shield=True):
            try:
                with anyio.move_on_after(CLOSE_S):
                    if live.browser.is_connected():
                        await live.control.send("Browser.close")
                        await chromium.ended(live.machine, live.running)
            except (Error, SandboxLost):
                pass  # It has ended already.
            finally:
                await live.resources.aclose()

    def _current(self) -> tuple[Live | None, Tab | None]:
        live = self._live
        return live, live.tabs.current if live is not None else None

    async def _started(self) -> Live:
        if self._live is not None and self._live.browser.is_connected():
            return self._live
        await self.close()
        async with AsyncExitStack() as resources:
            live = await self._start(resources)
            self._live = replace(live, resources=resources.pop_all())
        return self._live

    async def _start(self, resources: AsyncExitStack) -> Live:
        from playwright.async_api import Error, async_playwright

        machine = await self._open_machine()
        resources.push_async_callback(machine.close)
        running = await chromium.start(machine, proxy_port=self._proxy_port, trusted_keys=self._trusted_keys)
        gate = Gate(running.path, lambda connection: machine.doorway.lead(connection, running.port))
        resources.callback(gate.close)
        playwright = await async_playwright().start()
        resources.push_async_callback(playwright.stop)
        try:
            browser = await playwright.chromium.connect_over_cdp(gate.url, timeout=CONNECT_MS)
            control = await browser.new_browser_cdp_session()
            downloads = Downloads(control)
            await downloads.prepare()
        except Error:  # Its words have the secret path in them.
            raise SandboxUnavailable("The browser runs but did not answer its driver; try again.") from None
        return Live(machine, running, browser, control, Tabs(browser.contexts[0]), downloads, resources)

    async def _seen(self, live: Live, tab: Tab, find: str, *notes: str, changes: bool = False) -> Seen:
        """Show a tab as it is, or what has changed since it was last shown."""
        files, told = await live.downloads.taken(live.machine)
        with anyio.fail_after(VIEW_S):
            blank = await _blank(tab.page)
            if await tab.page.evaluate(COUNT) > ELEMENTS_MAX:
                text = await _text(tab.page)
                told = (
                    *told,
                    f"The page has more than {ELEMENTS_MAX:,} elements: this is its text, without references.",
                )
                shown, whole = bounded(text.splitlines()), text
            else:
                before, tab.snapshot = tab.snapshot, compact(await _things(tab.page))
                shown, whole = _shown(before if changes and tab.shown else None, tab.snapshot, find), str(tab.snapshot)
                tab.shown = True
        every = (*filter(None, notes), *live.tabs.notes(), *told)
        return replace(blank, shown=shown, whole=whole[:WHOLE_CHARS_MAX], notes=every, files=files)

    def _failed(self, live: Live, error: Exception, what: str) -> str:
        if isinstance(error, SandboxLost) or not live.browser.is_connected():
            return ENDED
        first = str(error).splitlines()[0] if str(error) else "it is not known why"
        reason = next((told for words, told in REASONS if words in first), first.partition(": ")[2] or first)
        return " ".join([f"{what}: {reason.rstrip('.')}.", *live.tabs.notes()])


@dataclass(frozen=True, slots=True)
class Refusal:
    why: str


def address_of(url: str) -> str | Refusal:
    """Make what the model wrote an address of the web: a browser also opens its own files and settings."""
    scheme = SCHEME.match(url.strip())
    if scheme is None:
        return f"https://{url.strip()}"
    if scheme[1].lower() in ("http", "https") or url.strip() == "about:blank":
        return url.strip()
    return Refusal(f"{url[:200]!r} is no address of the web; only http and https are opened.")


async def _tab(live: Live, number: int) -> Tab:
    if 0 < number <= len(live.tabs.open):
        live.tabs.current = live.tabs.open[number - 1]
        await live.tabs.current.page.bring_to_front()
    if number > len(live.tabs.open) or live.tabs.current is None:
        live.tabs.current = live.tabs.of(await live.browser.contexts[0].new_page())
    return live.tabs.current


async def _switch(live: Live, number: str) -> str:
    tabs = live.tabs.open
    if not number.isdecimal() or not 0 < int(number) <= len(tabs):
        listed = ", ".join(f"{place} {tab.page.url[:80]}" for place, tab in enumerate(tabs, 1))
        return f"There is no tab {number!r}; there are {listed}."
    await _tab(live, int(number))
    return ""


async def _go(page: Page, address: str) -> str:
    """Go to an address; give what is to be said of the answer."""
    from playwright.async_api import Error

    try:
        response = await page.goto(address, timeout=OPEN_MS, wait_until="domcontentloaded")
    except Error as error:
        if "Download is starting" in error.message:
            return "The address is a file, not a page."
        await _error_page(page)
        raise
    return f"The server answered {response.status}." if response is not None and response.status >= 400 else ""


async def _error_page(page: Page) -> None:
    """Wait for what the browser shows instead of a page: it comes later than the error, and in the way of the next."""
    from playwright.async_api import Error

    try:
        await page.wait_for_url("chrome-error://**", timeout=ERROR_PAGE_MS, wait_until="commit")
    except Error:  # There is none.
        return


def _shown(before: Snapshot | None, now: Snapshot, find: str) -> str:
    if find:
        return bounded(map(str, found(now, find).lines)) or f"Nothing on the page has {find!r} in it."
    if before is None:
        return bounded(map(str, now.lines))
    changes = delta(before, now)
    if not changes:
        return "Nothing changed on the page."
    return bounded(changes if shorter(changes, now) else map(str, now.lines))


async def _blank(page: Page) -> Seen:
    return Seen(page.url, " ".join((await page.title()).split())[:TITLE_CHARS_MAX], "", "")


async def _things(page: Page) -> tuple[Thing, ...]:
    """Take a page's accessibility tree; what is in its password fields is left out of it."""
    things = tuple(parsed(await page.aria_snapshot(mode="ai", timeout=VIEW_S * 1000)))
    if not any(node.role == "textbox" and node.value for _, node in things):
        return things
    secret: set[str] = set()
    for frame in page.frames[:FRAMES_MAX]:
        values = await frame.locator("input[type=password]").evaluate_all(VALUES)
        secret |= {" ".join(str(value).split()) for value in values}
    return tuple(
        (indent, replace(node, value=HIDDEN) if node.role == "textbox" and node.value in secret else node)
        for indent, node in things
    )


async def _text(page: Page) -> str:
    texts = [await frame.locator("body").inner_text(timeout=VIEW_S * 1000) for frame in page.frames[:FRAMES_MAX]]
    return "\n".join(filter(None, texts))[:WHOLE_CHARS_MAX]
