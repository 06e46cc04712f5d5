"""One window of a person on the browser: pictures of the current tab go there, what the person does comes back.

The pictures are those of Chromium's screencast, which makes one when something has changed and the one before is
acknowledged: so a slow window gets fewer, and never old ones.  What the person does goes to the page in order, and what
they want of the browser to that, so that an address goes to the tab that was opened for it.  A page that is busy, or
waits for the answer to a dialog, holds up neither the tabs nor the way out of it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
from anyio.streams.memory import MemoryObjectReceiveStream

from workhand.browser.desk import OVER, Wire
from workhand.browser.inputs import Command, Said, Size, command
from workhand.browser.session import Driven, address_of

if TYPE_CHECKING:
    from playwright.async_api import CDPSession, Page

QUALITY = 75
WIDTH_MAX, HEIGHT_MAX = 1920, 1440
STATE_S = 0.2  # how often it is looked whether tabs and addresses are as they were told
COMMAND_S = 5.0
INPUTS_MAX = 256  # that wait for the page
ORDERS_MAX = 16  # that wait for the browser
TITLE_CHARS_MAX, URL_CHARS_MAX = 100, 2_000


@dataclass(frozen=True, slots=True)
class Visit:
    """What a person who drives is given, whatever window they use."""

    driven: Driven
    seconds_left: Callable[[], float]
    over: anyio.Event  # the person gives it back, or the browser ended


@dataclass(frozen=True, slots=True)
class Frame:
    picture: bytes
    session: CDPSession
    number: int


@dataclass(eq=False)
class Screen:
    visit: Visit
    wire: Wire
    group: anyio.abc.TaskGroup
    sessions: dict[Page, CDPSession] = field(default_factory=dict)
    shown: Page | None = None
    size: Size = (1.0, 1.0)
    frame: Frame | None = None  # the newest, which has not been sent yet
    came: anyio.Event = field(default_factory=anyio.Event)

    async def serve(self) -> None:
        """Show and obey until the window is gone."""
        give, take = anyio.create_memory_object_stream[Command](INPUTS_MAX)
        order, ordered = anyio.create_memory_object_stream[Said](ORDERS_MAX)
        async with give, take, order, ordered:
            self.group.start_soon(self._show)
            self.group.start_soon(self._follow)
            self.group.start_soon(self._drive, take)
            self.group.start_soon(self._obey, ordered)
            async for text in self.wire.messages():
                self._heed(text, give.send_nowait, order.send_nowait)

    async def close(self) -> None:
        from playwright.async_api import Error

        for session in self.sessions.values():
            with anyio.move_on_after(COMMAND_S, shield=True), suppress(Error):
                await session.detach()

    # -- what is shown -------------------------------------------------------------------

    async def _show(self) -> None:
        from playwright.async_api import Error

        with suppress(*OVER):
            while True:
                await self.came.wait()
                self.came = anyio.Event()
                frame, self.frame = self.frame, None
                if frame is None or frame.session is not self._session():
                    continue
                await self.wire.send(frame.picture)
                with suppress(Error):  # Its tab was closed meanwhile.
                    await frame.session.send("Page.screencastFrameAck", {"sessionId": frame.number})

    def _session(self) -> CDPSession | None:
        return self.sessions.get(self.shown) if self.shown is not None else None

    def _drawn(self, session: CDPSession, event: dict[str, Any]) -> None:
        told = event["metadata"]
        self.size = (float(told["deviceWidth"]), float(told["deviceHeight"]))
        self.frame = Frame(base64.b64decode(event["data"]), session, event["sessionId"])
        self.came.set()

    async def _follow(self) -> None:
        """Tell the window how things stand whenever that has changed, and show the tab that is the current one."""
        from playwright.async_api import Error

        before = ""
        with suppress(*OVER):
            while self.visit.driven.is_alive():
                with anyio.move_on_after(COMMAND_S), suppress(Error):  # A tab went away while it was looked at.
                    await self._turn_to_current()
                    state = json.dumps(await self._state())
                    if state != before:
                        await self.wire.send(state)
                        before = state
                await anyio.sleep(STATE_S)
        self.visit.over.set()

    async def _turn_to_current(self) -> None:
        tab = self.visit.driven.tabs.current
        if tab is None:
            return await self._new_tab()
        if tab.page is self.shown:
            return None
        if (earlier := self._session()) is not None and self.shown is not None and not self.shown.is_closed():
            await earlier.send("Page.stopScreencast")
        session = await self._session_of(tab.page)
        self.shown = tab.page
        await session.send("Page.bringToFront")
        wanted = {"format": "jpeg", "quality": QUALITY, "maxWidth": WIDTH_MAX, "maxHeight": HEIGHT_MAX}
        await session.send("Page.startScreencast", wanted)
        return None

    async def _session_of(self, page: Page) -> CDPSession:
        if page not in self.sessions:
            session = await page.context.new_cdp_session(page)
            session.on("Page.screencastFrame", partial(self._drawn, session))
            self.sessions[page] = session
        return self.sessions[page]

    async def _state(self) -> dict[str, object]:
        """Say what tabs there are, where they are and where they can go: of the browser, which no page can hold up."""
        tabs: list[dict[str, str]] = []
        current: dict[str, object] = {"back": False, "forward": False}
        for number, tab in enumerate(self.visit.driven.tabs.open):
            history = await (await self._session_of(tab.page)).send("Page.getNavigationHistory")
            place, entries = history["currentIndex"], history["entries"]
            tabs.append(
                {"title": entries[place]["title"][:TITLE_CHARS_MAX], "url": entries[place]["url"][:URL_CHARS_MAX]}
            )
            if tab.page is self.shown:
                current = {"tab": number, "back": place > 0, "forward": place < len(entries) - 1}
        minutes_left = int(self.visit.seconds_left() // 60)
        return {"tabs": tabs, "current": current, "minutes_left": minutes_left}

    # -- what is done --------------------------------------------------------------------

    def _heed(self, text: str, act: Callable[[Command], None], order: Callable[[Said], None]) -> None:
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(said, dict):
            return
        if said.get("do") == "done":  # before all that may still wait
            self.visit.over.set()
            return
        with suppress(anyio.WouldBlock):  # The page, or the browser, does not keep up.
            if (found := command(said, self.size)) is not None:
                act(found)
            else:
                order(said)

    async def _drive(self, inputs: MemoryObjectReceiveStream[Command]) -> None:
        async for each in inputs:
            if (session := self._session()) is not None:
                await self._send(session, each)

    async def _send(self, session: CDPSession, wanted: Command) -> None:
        from playwright.async_api import Error

        with anyio.move_on_after(COMMAND_S), suppress(Error):  # Its tab was closed, or it is nothing that can be done.
            await session.send(wanted.method, wanted.params)

    async def _obey(self, orders: MemoryObjectReceiveStream[Said]) -> None:
        from playwright.async_api import Error

        async for each in orders:
            with anyio.move_on_after(COMMAND_S), suppress(Error):  # The tab has gone meanwhile.
                await self._order(each)

    async def _order(self, said: Said) -> None:
        """Do what concerns the browser rather than the page."""
        tabs = self.visit.driven.tabs
        session = None if tabs.current is None else await self._session_of(tabs.current.page)
        match said:
            case {"do": "new"}:
                await self._new_tab()
            case {"do": "tab", "tab": int(number)} if 0 <= number < len(tabs.open):
                tabs.current = tabs.open[number]
            case {"do": "close", "tab": int(number)} if 0 <= number < len(tabs.open):
                await self._send(await self._session_of(tabs.open[number].page), Command("Page.close", {}))
            case {"do": "go", "url": str(url)} if session is not None and isinstance(address := address_of(url), str):
                await self._send(session, Command("Page.navigate", {"url": address}))
            case {"do": "reload"} if session is not None:
                await self._send(session, Command("Page.reload", {}))
            case {"do": "back" | "forward" as way} if session is not None:
                await self._travel(session, -1 if way == "back" else 1)

    async def _travel(self, session: CDPSession, steps: int) -> None:
        from playwright.async_api import Error

        with suppress(Error):
            history = await session.send("Page.getNavigationHistory")
            place = history["currentIndex"] + steps
            if 0 <= place < len(history["entries"]):
                entry = {"entryId": history["entries"][place]["id"]}
                await self._send(session, Command("Page.navigateToHistoryEntry", entry))

    async def _new_tab(self) -> None:
        from playwright.async_api import Error

        with anyio.move_on_after(COMMAND_S), suppress(Error):
            await self.visit.driven.open()
