"""Do one thing on a page: what each act is, and how it is said that it could not be done."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from workhand.browser.snapshot import Snapshot, written
from workhand.core.browsing import Act

if TYPE_CHECKING:
    from playwright.async_api import FilePayload, Locator, Page

ACT_MS = 5_000.0
WAIT_MS = 15_000.0
SELECT_MS = 1_500.0
CANDIDATES = 3
WHEEL_PX, END_PX = 700, 1_000_000
COVERED = re.compile(r"(<[^>]{1,80}>).{0,200}? intercepts pointer events", re.DOTALL)
MIDDLE = (640, 400)
SCROLLED = """() => {  // the middle of the window, or of the largest part of a page that scrolls only within itself
  const middle = [innerWidth / 2, innerHeight / 2];
  if (document.scrollingElement.scrollHeight > innerHeight + 1) return middle;
  let largest = 0, place = middle;
  for (const element of document.querySelectorAll("body *")) {
    if (element.scrollHeight <= element.clientHeight + 1) continue;
    if (!["auto", "scroll"].includes(getComputedStyle(element).overflowY)) continue;
    const box = element.getBoundingClientRect();
    const [left, right] = [Math.max(box.left, 0), Math.min(box.right, innerWidth)];
    const [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, innerHeight)];
    const area = Math.max(right - left, 0) * Math.max(bottom - top, 0);
    if (area > largest) [largest, place] = [area, [(left + right) / 2, (top + bottom) / 2]];
  }
  return place;
}"""
REASONS = (  # what Playwright says, and what to tell the model
    ("element is not visible", "it is not visible; what it is in may have to be opened first"),
    ("element is not enabled", "it is disabled; something else may have to be filled in first"),
    ("not an <input>", "it takes no text"),
    ("not a <select>", "it is no list to select from; click it and then the option that appears"),
    ("did not find some options", "it has no such option"),
    ("Unknown key", "there is no such key; keys are named like Enter, Tab, ArrowDown, Control+a"),
    ("Not a checkbox", "it is no checkbox"),
    ("Clicking the checkbox did not change", "it did not change when it was clicked"),
    ("has been closed", "its tab was closed meanwhile"),
    ("Target crashed", "the page crashed"),
    ("Timeout", "it was not ready within the time; the page may be busy"),
)


async def perform(page: Page, act: Act, snapshot: Snapshot) -> str:
    """Do an act that concerns the page; give nothing, or a sentence that says why it could not be done."""
    from playwright.async_api import Error

    if act.ref and (missing := await _missing(page, act.ref, snapshot)):
        return missing
    if not act.ref and act.action in ("click", "type", "select", "check", "uncheck", "hover", "upload"):
        return f"{act.action} needs the reference of a thing on the page, such as e12, as `ref`."
    try:
        await _do(page, act)
    except Error as error:
        node = snapshot.node(act.ref)
        what = f" of {written(node)}" if node else ""
        return f"The {act.action}{what} could not be done: {reason(error.message, act)}."
    return ""


async def _do(page: Page, act: Act) -> None:
    thing = page.get_by_ref(act.ref) if act.ref else page.locator("body")
    match act.action:
        case "click":
            await thing.click(timeout=ACT_MS)
        case "type":
            await thing.fill(act.text, timeout=ACT_MS)
        case "press" if act.ref:
            await thing.press(act.text, timeout=ACT_MS)
        case "press":
            await page.keyboard.press(act.text)
        case "select":
            await thing.select_option(act.text, timeout=SELECT_MS)
        case "check" | "uncheck":
            await thing.set_checked(act.action == "check", timeout=ACT_MS)
        case "hover":
            await thing.hover(timeout=ACT_MS)
        case "scroll":
            await _scroll(page, thing if act.ref else None, act.text)
        case "upload":
            await _upload(page, thing, act)
        case "back":
            await page.go_back(timeout=WAIT_MS, wait_until="commit")
        case "forward":
            await page.go_forward(timeout=WAIT_MS, wait_until="commit")
        case "reload":
            await page.reload(timeout=WAIT_MS, wait_until="commit")
        case "wait" if act.text:
            await page.get_by_text(act.text).first.wait_for(state="visible", timeout=WAIT_MS)


async def _scroll(page: Page, thing: Locator | None, where: str) -> None:
    """Turn the wheel over a thing, over the middle of the window, or where there is something to be scrolled."""
    if thing is not None:
        await thing.hover(timeout=ACT_MS)
    else:
        match await page.evaluate(SCROLLED):
            case [int() | float() as x, int() | float() as y]:
                await page.mouse.move(x, y)
            case _:  # The page has put something of its own in the place of what was asked.
                await page.mouse.move(*MIDDLE)
    pixels = {"up": -WHEEL_PX, "top": -END_PX, "bottom": END_PX}.get(where, WHEEL_PX)
    await page.mouse.wheel(0, pixels)


async def _upload(page: Page, thing: Locator, act: Act) -> None:
    """Give files to a field, or to the chooser that a click opens."""
    files: list[FilePayload] = [
        {"name": file.name, "mimeType": "application/octet-stream", "buffer": file.content} for file in act.files
    ]
    is_field = await thing.evaluate("element => element.type === 'file'", timeout=ACT_MS)
    if is_field:
        return await thing.set_input_files(files, timeout=WAIT_MS)
    async with page.expect_file_chooser(timeout=ACT_MS) as chooser:
        await thing.click(timeout=ACT_MS)
    return await (await chooser.value).set_files(files, timeout=WAIT_MS)


async def _missing(page: Page, ref: str, snapshot: Snapshot) -> str:
    """Say that a reference leads nowhere, and what might be meant instead."""
    node = snapshot.node(ref)
    if node is not None and await page.get_by_ref(ref).count():
        return ""
    named = [line.node for line in snapshot.lines if line.node.ref]
    if node is not None:
        alike = [each for each in named if each.role == node.role and each.ref != ref]
        what = f"{written(node)} is no longer on the page"
        near = sorted(alike, key=lambda each: each.name != node.name)[:CANDIDATES]
    else:
        what = f"There is no {ref!r} on the page as it was last shown"
        near = sorted(named, key=lambda each: _distance(each.ref, ref))[:CANDIDATES]
    listed = ", ".join(map(written, near)) or "nothing that can be acted on"
    return f"{what}; look again with browser_view, or take one of these: {listed}."


def _distance(one: str, other: str) -> tuple[bool, int]:
    """Tell how far apart two references are: in frames, then in numbers."""
    frames, numbers = zip(*(each.rpartition("e")[::2] for each in (one, other)), strict=True)
    first, second = (int(number) if number.isdecimal() and len(number) < 10 else 0 for number in numbers)
    return frames[0] != frames[1], abs(first - second)


def reason(message: str, act: Act) -> str:
    """Give what is useful of an error of Playwright, which is many lines long."""
    if covered := COVERED.search(message):
        return f"{covered[1]} lies over it; close that first"
    if act.action == "wait" and "Timeout" in message:
        return f"{act.text!r} did not appear within {WAIT_MS / 1000:g} s"
    told = next((told for words, told in REASONS if words.casefold() in message.casefold()), "")
    return told or message.splitlines()[0][:200].rstrip(".")
