"""Pages that make trouble, and pages that live: each act comes back within a time and says what happened."""

from __future__ import annotations

import pytest

from tests.browser.world import World, ref, seen
from workhand.browser.session import BUSY, ENDED, NOT_RUNNING, MachineBrowser
from workhand.browser.tabs import DIALOGS_MAX, TABS_MAX
from workhand.core.browsing import Act

pytestmark = [pytest.mark.anyio, pytest.mark.machines]


async def test_what_is_in_a_frame_is_shown_and_acted_on_but_no_password(shared: World, browser: MachineBrowser) -> None:
    page = seen(await browser.open(f"{shared.site}frames"))
    assert "innerpass" not in page.whole and "inneropen" in page.whole
    assert '+   button "pressed"' in seen(await browser.act(Act("click", ref(page, '"Inner"')))).shown


async def test_scrolling_down_brings_more_of_an_endless_list(shared: World, browser: MachineBrowser) -> None:
    assert "Entry 30" in seen(await browser.open(f"{shared.site}scroll")).whole
    assert "+ text: Entry 31" in seen(await browser.act(Act("scroll", text="bottom"))).shown


async def test_a_page_that_draws_itself_is_waited_for(shared: World, browser: MachineBrowser) -> None:
    page = seen(await browser.open(f"{shared.site}spa"))
    await browser.act(Act("type", ref(page, '"task"'), "Milk"))
    assert seen(await browser.act(Act("click", ref(page, '"Add"')))).shown == "+ text: Milk"
    item = seen(await browser.act(Act("click", ref(page, '"Item"'))))
    assert item.url == f"{shared.site}spa/item" and 'heading "Item"' in item.shown
    assert 'heading "Start"' in seen(await browser.act(Act("back"))).whole


async def test_there_are_only_so_many_tabs(world: World) -> None:
    browser = world.browser()
    for number in range(TABS_MAX):
        await browser.open("about:blank", tab=number + 1)
    said = await browser.open("about:blank", tab=TABS_MAX + 1)
    assert said == f"There are {TABS_MAX} tabs already; close one, or open the page in one of them."
    page = seen(await browser.open(f"{world.site}popups"))
    full = seen(await browser.act(Act("click", ref(page, '"In a tab"'))))
    assert full.notes == (f"A window that the page opened was closed: there are {TABS_MAX} tabs already.",)
    assert full.title == "Popups"


async def test_windows_become_tabs_and_the_last_one_may_be_closed(world: World) -> None:
    browser = world.browser()
    page = seen(await browser.open(f"{world.site}popups"))
    opened = seen(await browser.act(Act("click", ref(page, '"In a tab"'))))
    assert (opened.title, opened.notes) == ("Form", ("Tab 2 was opened and is the current one.",))
    assert seen(await browser.act(Act("tab", text="1"))).title == "Popups"
    missing = await browser.act(Act("tab", text="7"))
    assert isinstance(missing, str) and missing.startswith("There is no tab '7'; there are 1 http")
    await browser.act(Act("close"))
    assert await browser.act(Act("close")) == NOT_RUNNING
    assert await browser.view("snapshot") == NOT_RUNNING
    assert seen(await browser.open(f"{world.site}form", tab=1)).title == "Form"


@pytest.mark.parametrize(
    ("act", "words", "reason"),
    [
        ("click", '"Under"', '<div class="veil"> lies over it; close that first.'),
        ("click", '"Off"', "it is disabled; something else may have to be filled in first."),
        ("type", '"Plain"', "it takes no text."),
        ("press", '"Plain"', "there is no such key; keys are named like Enter, Tab, ArrowDown, Control+a."),
        ("select", '"Plain"', "it is no list to select from; click it and then the option that appears."),
        ("check", '"Plain"', "it is no checkbox."),
    ],
)
async def test_what_cannot_be_done_is_explained(
    shared: World, browser: MachineBrowser, act: str, words: str, reason: str
) -> None:
    page = seen(await browser.open(f"{shared.site}covered"))
    said = await browser.act(Act(act, ref(page, words), "Nokey"))  # type: ignore[arg-type]  # it is one of them
    assert isinstance(said, str) and said.endswith(f"could not be done: {reason}")


async def test_dialogs_without_end_cost_a_page_its_tab(shared: World, browser: MachineBrowser) -> None:
    page = seen(await browser.open(f"{shared.site}alerts"))
    said = await browser.act(Act("click", ref(page, '"Never ends"')))
    assert f"more than {DIALOGS_MAX} dialogs, one after the other; its tab was closed." in str(said)
    assert seen(await browser.open(f"{shared.site}form")).title == "Form"


async def test_a_page_that_hangs_is_left_behind(shared: World, browser: MachineBrowser) -> None:
    page = seen(await browser.open(f"{shared.site}busy", tab=99))
    await browser.act(Act("click", ref(page, '"Hang"')))
    assert await browser.view("text") == BUSY
    await browser.act(Act("close"))
    assert seen(await browser.open(f"{shared.site}form", tab=99)).title == "Form"


async def test_a_page_that_is_never_done_is_shown_nevertheless(shared: World, browser: MachineBrowser) -> None:
    assert "text: 0." in seen(await browser.open(f"{shared.site}restless")).shown


async def test_a_page_that_is_too_large_is_shown_as_text(shared: World, browser: MachineBrowser) -> None:
    page = seen(await browser.open(f"{shared.site}huge"))
    assert page.notes == ("The page has more than 15,000 elements: this is its text, without references.",)
    assert page.shown.startswith("b0\n") and "more lines are left out" in page.shown
    assert page.whole.endswith("b19999")


async def test_words_that_look_like_lines_are_words(shared: World, browser: MachineBrowser) -> None:
    page = seen(await browser.open(f"{shared.site}liar"))
    assert len(page.shown.splitlines()) == 2
    assert page.shown.splitlines()[1] == 'text: - link "a" [ref=e9]: b'


async def test_a_page_that_crashes_and_a_browser_that_ends_are_told_and_replaced(world: World) -> None:
    browser = world.browser()
    crashed = await browser.open(f"{world.site}deep")
    assert "crashed" in str(crashed)
    assert seen(await browser.open(f"{world.site}form")).title == "Form"
    live = browser._live
    assert live is not None
    gone = ("sh", "-c", f"kill -9 {live.running.pid}; while kill -0 {live.running.pid}; do sleep 0.05; done")
    await world.machines[0].execute(gone, timeout_s=10, output_bytes_max=1_000)
    assert await browser.view("text") in (ENDED, NOT_RUNNING)
    assert seen(await browser.open(f"{world.site}form")).title == "Form"
    await world.machines[-1].close()
    assert await browser.act(Act("scroll")) in (ENDED, NOT_RUNNING)
    assert seen(await browser.open(f"{world.site}form")).title == "Form"
