"""A single-page site built with a framework that nobody here wrote: routes, lists that come later, forms with state.

``tests/browser/framework.sh DIR`` takes the framework out of its packages; ``SITE_FRAMEWORK`` names the directory.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.browser.world import World, around, ref, seen
from tests.loopback import Handler, serving
from workhand.browser.session import MachineBrowser
from workhand.core.browsing import Act, Seen

TAKEN = Path(os.environ.get("SITE_FRAMEWORK", "/nowhere"))
APP = Path(__file__).with_name("app.html")
LATE_S = 0.2  # an answer that takes no time would never show a page that waits

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.machines,
    pytest.mark.skipif(not (TAKEN / "vue.js").exists(), reason="SITE_FRAMEWORK names no directory of it"),
]


class Site(Handler):
    orders: list[dict[str, object]]

    def do_GET(self) -> None:
        if self.path == "/api/orders":
            time.sleep(LATE_S)
            return self.say(json.dumps(self.orders).encode(), "application/json")
        if self.path.endswith(".js"):
            return self.say((TAKEN / self.path[1:]).read_bytes(), "text/javascript")
        return self.say(APP.read_bytes(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        said = json.loads(self.received())
        self.orders.append({"id": len(self.orders) + 1, "price": 9, **said})
        self.say(json.dumps(self.orders[-1]).encode(), "application/json")


@pytest.fixture
def orders() -> list[dict[str, object]]:
    return [{"id": number, "thing": thing, "price": number * 2} for number, thing in ((1, "Bolt"), (2, "Nut"))]


@pytest.fixture
def site_port(orders: list[dict[str, object]]) -> Iterator[int]:
    with serving(type("Orders", (Site,), {"orders": orders})) as port:
        yield port


@pytest.fixture
async def app(site_port: int, tmp_path: Path, require_chromium: None) -> AsyncIterator[World]:
    async with around(site_port, tmp_path) as made:
        yield made


@pytest.fixture
def browser(app: World) -> MachineBrowser:
    return app.browser()


async def until(browser: MachineBrowser, words: str) -> Seen:
    """Wait, as the agent would, until some words are there."""
    for _ in range(5):
        page = seen(await browser.act(Act("wait", text=words)))
        if words in page.whole:
            return page
    raise AssertionError(page.whole)


async def test_a_list_that_comes_later_is_seen_and_links_change_the_page_without_loading_it(
    app: World, browser: MachineBrowser
) -> None:
    await browser.open(app.site)
    page = await until(browser, "Add Nut")
    added = seen(await browser.act(Act("click", ref(page, "Add Nut"))))
    assert "In the cart: 1" in added.shown and "Orders" not in added.shown  # only what changed
    await browser.act(Act("click", ref(page, 'link "Nut"')))
    order = await until(browser, "Nut for 4")
    assert order.url == f"{app.site}orders/2" and "Add Bolt" not in order.whole
    back = seen(await browser.act(Act("back")))
    page = await until(browser, "Add Bolt")
    assert back.url == app.site and "In the cart: 1" in page.whole  # it was never loaded anew


async def test_an_address_within_the_site_is_opened_as_it_is(app: World, browser: MachineBrowser) -> None:
    await browser.open(f"{app.site}orders/1")
    assert "Order 1" in (await until(browser, "Bolt for 2")).whole


async def test_a_form_that_holds_its_own_state_is_filled_in_and_sent(
    app: World, browser: MachineBrowser, orders: list[dict[str, object]]
) -> None:
    page = seen(await browser.open(f"{app.site}new"))
    refused = seen(await browser.act(Act("click", ref(page, '"Order"'))))
    assert "Say what you want." in refused.whole
    await browser.act(Act("type", ref(refused, '"Thing"'), " Washer "))
    await browser.act(Act("select", ref(refused, '"Size"'), "large"))
    await browser.act(Act("check", ref(refused, '"A gift"')))
    await browser.act(Act("click", ref(refused, '"Order"')))
    asked = await until(browser, "Really Washer, large?")
    await browser.act(Act("click", ref(asked, '"Yes"')))
    done = await until(browser, "Washer for 9")
    assert done.url == f"{app.site}orders/3"
    assert orders[-1] == {"id": 3, "price": 9, "thing": "Washer", "size": "large", "gift": True}


async def test_rows_that_are_made_as_one_scrolls_are_reached(app: World, browser: MachineBrowser) -> None:
    page = seen(await browser.open(f"{app.site}rows"))
    assert "Row 0" in page.whole and "Row 30" not in page.whole
    down = seen(await browser.act(Act("scroll", text="down")))
    assert "Row 0" not in down.whole and "Row 25" in down.whole and len(down.whole) < 2 * len(page.whole)
    assert "Row 9999" in seen(await browser.act(Act("scroll", text="bottom"))).whole
