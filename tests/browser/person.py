"""A person at the page from which a browser is driven: another real browser, in which that page is open."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workhand.browser.chromium import PROGRAMS

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page


@dataclass
class Person:
    context: BrowserContext

    async def open(self, url: str) -> Page:
        """Open the page, and wait until it shows something."""
        page = await self.context.new_page()
        await page.goto(url)
        await page.locator("#picture[data-drawn]").wait_for()
        return page


@asynccontextmanager
async def at_desk() -> AsyncIterator[Person]:
    from playwright.async_api import async_playwright

    program = next(filter(os.path.exists, PROGRAMS))
    async with async_playwright() as playwright:
        browser: Browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield Person(await browser.new_context(viewport={"width": 1280, "height": 860}))
        finally:
            await browser.close()


async def click(page: Page, x: float, y: float, *, of: tuple[float, float]) -> None:
    """Click at a place of the pictured page, whose size is given, wherever the picture of it is drawn."""
    box = await page.locator("#picture").bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + x / of[0] * box["width"], box["y"] + y / of[1] * box["height"])
