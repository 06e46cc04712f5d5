"""The tabs of a browser, and what happens in them unasked: windows that open, dialogs, crashes.

A page that waits for the answer to a dialog does nothing else, so every dialog is answered at once: what only tells
something is accepted, what asks is dismissed unless the next answer was given beforehand.  A page that never stops
asking, or opening windows, loses its tab or its windows.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workhand.browser.settling import Requests
from workhand.browser.snapshot import Snapshot

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Dialog, Page

TABS_MAX = 8
DIALOGS_MAX = 8  # between two acts
NOTES_MAX = 12
WORDS_CHARS_MAX = 300
CLOSE_MS = 5_000.0


@dataclass(eq=False, slots=True)
class Tab:
    page: Page
    requests: Requests
    snapshot: Snapshot = field(default_factory=Snapshot)  # as the model was last shown it
    shown: bool = False


class Tabs:
    def __init__(self, context: BrowserContext) -> None:
        self.open: list[Tab] = []
        self.current: Tab | None = None
        self.answer: str | None = None  # to the next dialog
        self._dialogs = 0
        self._notes: list[str] = []
        for page in context.pages:
            self._take(page)
        context.on("page", self._opened)
        context.on("dialog", self._asked)

    def of(self, page: Page) -> Tab:
        """Give the tab of a page, which becomes the current one if it is not known yet."""
        return next((tab for tab in self.open if tab.page is page), None) or self._take(page)

    def note(self, sentence: str) -> None:
        if len(self._notes) < NOTES_MAX and sentence not in self._notes:
            self._notes.append(sentence)

    def notes(self) -> tuple[str, ...]:
        """Give what happened since the last time, and take it off the list."""
        told, self._notes, self._dialogs = tuple(self._notes), [], 0
        return told

    def forget(self, why: str) -> None:
        """Let what the model was shown of the pages hold no more."""
        for tab in self.open:
            tab.snapshot, tab.shown = Snapshot(), False
        self._notes = []
        self.note(why)

    def _take(self, page: Page) -> Tab:
        self.current = Tab(page, Requests(page))
        self.open.append(self.current)
        page.on("close", self._closed)
        page.on("crash", self._crashed)
        if len(self.open) > 1:
            self.note(f"Tab {len(self.open)} was opened and is the current one.")
        return self.current

    async def _opened(self, page: Page) -> None:
        from playwright.async_api import Error

        if len(self.open) < TABS_MAX or any(tab.page is page for tab in self.open):
            self.of(page)
        else:
            self.note(f"A window that the page opened was closed: there are {TABS_MAX} tabs already.")
            with suppress(Error):  # It has closed itself.
                await page.close()

    def _closed(self, page: Page) -> None:
        self.open = [tab for tab in self.open if tab.page is not page]
        if self.current is not None and self.current.page is page:
            self.current = self.open[-1] if self.open else None

    def _crashed(self, page: Page) -> None:
        self.note("The page crashed, and its tab is gone; it may need more memory than there is.")
        self._closed(page)

    async def _asked(self, dialog: Dialog) -> None:
        from playwright.async_api import Error

        self._dialogs += 1
        words = " ".join(dialog.message.split())[:WORDS_CHARS_MAX]
        try:
            if self._dialogs > DIALOGS_MAX:
                self.note(f"The page showed more than {DIALOGS_MAX} dialogs, one after the other; its tab was closed.")
                await dialog.dismiss()
                return await dialog.page.close() if dialog.page else None
            answer, self.answer = self.answer, None
            accepted = dialog.type in ("alert", "beforeunload") if answer is None else answer != "dismiss"
            self.note(
                f"The page showed the {dialog.type} {words!r}, which was {'accepted' if accepted else 'dismissed'}."
            )
            if accepted:
                await dialog.accept("" if answer in (None, "accept") else answer)
            else:
                await dialog.dismiss()
        except Error:  # The page is gone, and the dialog with it.
            return None
        return None
