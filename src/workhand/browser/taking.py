"""A person takes the browser over, drives it from a page of their own, and gives it back.

The agent's calls wait meanwhile.  It ends when the person says so, when the time is up, when the browser ends or when
who asked for it goes away.  Afterwards nothing that the agent knew of the pages holds any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal

import anyio

from workhand.browser.desk import Wire, desk
from workhand.browser.screen import Screen, Visit
from workhand.browser.session import MachineBrowser

Ended = Literal["given back", "the time is up", "the browser ended"]


async def take(browser: MachineBrowser, announce: Callable[[str], Awaitable[None]], *, seconds_max: float) -> Ended:
    """Let a person drive from the address that is announced; say how it ended.

    Raises ``SandboxUnavailable`` if no browser can be started.
    """
    async with browser.taken() as driven:
        over = anyio.Event()
        with anyio.move_on_after(seconds_max) as limit:
            visit = Visit(driven, lambda: max(0.0, limit.deadline - anyio.current_time()), over)
            async with desk(partial(_attend, visit)) as url:
                await announce(url)
                await over.wait()
        if limit.cancelled_caught:
            return "the time is up"
        return "given back" if driven.is_alive() else "the browser ended"


async def _attend(visit: Visit, wire: Wire) -> None:
    async with anyio.create_task_group() as group:
        screen = Screen(visit, wire, group)
        try:
            await screen.serve()
        finally:
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await screen.close()
