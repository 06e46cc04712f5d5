"""A person sees and drives the agent's browser from a page of their own, while the agent waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest
from playwright.async_api import expect

from tests.browser.person import Person, at_desk, click
from tests.browser.world import World, ref, seen
from workhand.browser.session import DRIVEN, MachineBrowser
from workhand.browser.taking import Ended, take
from workhand.core.browsing import Act

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.anyio

AGES_S = 600.0
WELCOME = 'heading "Welcome, Ada" [level=1]'


@pytest.fixture(scope="module")
async def person(require_chromium: None) -> AsyncIterator[Person]:
    async with at_desk() as made:
        yield made


@dataclass
class Taken:
    url: str
    ended: list[Ended] = field(default_factory=list)


@asynccontextmanager
async def taken(browser: MachineBrowser, *, seconds_max: float = AGES_S) -> AsyncIterator[Taken]:
    """Let a person drive; at the end, wait until they have given it back."""
    come, announced = anyio.create_memory_object_stream[str](1)
    found = Taken("")

    async def run() -> None:
        found.ended.append(await take(browser, come.send, seconds_max=seconds_max))

    async with come, announced, anyio.create_task_group() as group:
        group.start_soon(run)
        found.url = await announced.receive()
        yield found


async def size(browser: MachineBrowser) -> tuple[float, float]:
    """Give the size of the page as it shows things."""
    assert browser._live is not None and browser._live.tabs.current is not None
    found = await browser._live.tabs.current.page.evaluate("[innerWidth, innerHeight]")
    return found[0], found[1]


async def middle(browser: MachineBrowser, selector: str) -> tuple[float, float]:
    assert browser._live is not None and browser._live.tabs.current is not None
    box = await browser._live.tabs.current.page.locator(selector).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def give_back(page: Page) -> None:
    await page.get_by_role("button", name="Give back").click()
    await page.get_by_role("heading", name="Given back").wait_for()
    await page.close()


async def test_a_person_logs_in_and_the_agent_goes_on_from_there(
    shared: World, browser: MachineBrowser, person: Person
) -> None:
    login = seen(await browser.open(f"{shared.site}login"))
    async with taken(browser) as visit:
        page = await person.open(visit.url)
        await click(page, *await middle(browser, "input"), of=await size(browser))
        await page.keyboard.type("ada")
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Address")).to_have_value(f"{shared.site}account")
        await give_back(page)
    assert visit.ended == ["given back"]
    refused = await browser.act(Act("type", ref(login, '"User"'), "eve"))
    assert isinstance(refused, str) and "look again with browser_view" in refused and DRIVEN in refused
    assert seen(await browser.view("snapshot")).shown == WELCOME


async def test_what_the_agent_does_meanwhile_waits(shared: World, browser: MachineBrowser, person: Person) -> None:
    await browser.open(shared.site)
    looked: list[str] = []

    async def look() -> None:
        looked.append(seen(await browser.view("snapshot")).title)

    async with anyio.create_task_group() as group, taken(browser) as visit:
        page = await person.open(visit.url)
        group.start_soon(look)
        await page.get_by_label("Address").fill(f"{shared.site}form")
        await page.get_by_label("Address").press("Enter")
        await expect(page).to_have_title("Form · Workhand")
        assert looked == []
        await give_back(page)
    assert looked == ["Form"]


async def test_an_address_goes_to_the_tab_that_was_opened_for_it(
    shared: World, browser: MachineBrowser, person: Person
) -> None:
    await browser.open(shared.site)
    async with taken(browser) as visit:
        page = await person.open(visit.url)
        await page.locator("#tabs .tab").first.wait_for()  # all of them come at once
        before = await page.locator("#tabs .tab").count()
        await page.evaluate("url => { say({do: 'new'}); say({do: 'go', url}); }", f"{shared.site}form")
        await expect(page).to_have_title("Form · Workhand")
        await expect(page.locator("#tabs .tab")).to_have_count(before + 1)
        assert await page.locator("#tabs .tab .name").nth(before - 1).get_attribute("title") == shared.site
        await give_back(page)
