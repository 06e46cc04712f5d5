"""Wait until a page has done what an act began: no longer than a while, since some pages are never done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from playwright.async_api import Page, Request

SETTLE_S = 4.0
STEP_S = 0.03
AWAITED = frozenset({"document", "xhr", "fetch"})
REQUESTS_MAX = 500
QUIET = """() => new Promise(done => {
  const finish = () => { observer.disconnect(); clearTimeout(last); done() };
  let pause = setTimeout(finish, 100);
  const last = setTimeout(finish, 1000);
  const observer = new MutationObserver(() => { clearTimeout(pause); pause = setTimeout(finish, 100) });
  observer.observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
})"""


class Requests:
    """What a page has asked its servers for and waits for."""

    def __init__(self, page: Page) -> None:
        self.open: set[Request] = set()
        self.none = anyio.Event()
        page.on("request", self._begun)
        page.on("requestfinished", self._over)
        page.on("requestfailed", self._over)

    def _begun(self, request: Request) -> None:
        if request.resource_type in AWAITED and len(self.open) < REQUESTS_MAX:
            self.open.add(request)
            self.none = anyio.Event() if self.none.is_set() else self.none

    def _over(self, request: Request) -> None:
        self.open.discard(request)
        if not self.open:
            self.none.set()


async def settle(page: Page, requests: Requests) -> None:
    """Wait until nothing is loaded and nothing changes any more."""
    from playwright.async_api import Error

    with anyio.move_on_after(SETTLE_S) as limit:
        while not page.is_closed():
            try:
                await page.wait_for_load_state("load")
                await page.evaluate(QUIET)
            except Error:  # The page went elsewhere meanwhile, or is gone.
                await anyio.sleep(STEP_S)
                continue
            if not requests.open:
                return
            await requests.none.wait()
    if limit.cancelled_caught:
        requests.open.clear()  # Those that are never answered hold nobody up twice.
