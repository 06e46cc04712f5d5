"""A real browser in a machine of its own: it shows, acts, remembers, carries files, and goes out by the proxy only."""

from __future__ import annotations

import re

import pytest

from tests.browser.world import World, ref, seen
from workhand.browser.session import MachineBrowser
from workhand.core.browsing import Act, File, Node

pytestmark = pytest.mark.anyio

REF = re.compile(r"\[ref=\w+\]")
SHOP = """\
navigation
  link "Form" [ref] -> /form
  link "Log in" [ref] -> /login
heading "A small shop" [level=1]
text: We sell good things, see the
link "form" [ref] -> /form
clickable "A box to click" [ref]
table
  row: Thing | Price
  row: Nail | 2
  row: Screw | 3
button "Change" [ref]"""

WELCOME = 'heading "Welcome, Ada" [level=1]'


async def test_a_page_is_shown_acted_on_and_read(shared: World, browser: MachineBrowser) -> None:
    page = seen(await browser.open(f"{shared.site}"))
    assert (page.title, REF.sub("[ref]", page.shown), page.notes) == ("Shop", SHOP, ())
    assert browser.node(ref(page, '"Change"')) == Node("button", "Change", ref=ref(page, '"Change"'))
    changed = seen(await browser.act(Act("click", ref(page, '"Change"'))))
    assert changed.shown == '- heading "A small shop" [level=1]\n+ heading "Changed" [level=1]'
    assert seen(await browser.act(Act("click", ref(page, "A box")))).title == "clicked"
    read = seen(await browser.view("markdown"))
    assert "# Changed\n\nWe sell good things, see the [form](/form)" in read.shown
    assert "| Nail | 2\n| Screw | 3" in read.shown
    assert seen(await browser.view("snapshot", "screw")).shown == "table\n  row: Screw | 3"
    assert seen(await browser.view("picture")).picture.startswith(b"\x89PNG")

    form = seen(await browser.open(f"{shared.site}form"))
    assert "hunter2" not in form.whole and '"Secret"' in form.whole
    assert seen(await browser.act(Act("type", ref(form, '"Name"'), "Ada"))).shown.startswith('* textbox "Name"')
    await browser.act(Act("check", ref(form, '"Agree"')))
    await browser.act(Act("select", ref(form, '"Colour"'), "blue"))
    sent = seen(await browser.act(Act("click", ref(form, '"Send"'))))
    assert sent.shown.endswith("text: name=Ada&secret=hunter2&agree=on&colour=blue")
    send = ref(form, '"Send"')
    gone = await browser.act(Act("click", send))
    assert gone == f"There is no {send!r} on the page as it was last shown; look again with " + (
        "browser_view, or take one of these: nothing that can be acted on."
    )


async def test_what_the_session_may_not_reach_is_not_reached(shared: World, browser: MachineBrowser) -> None:
    assert seen(await browser.open(f"{shared.site}nowhere")).notes == ("The server answered 404.",)
    shared.contacts()
    said = await browser.open("https://elsewhere.example/")
    assert said == "https://elsewhere.example/ could not be opened: the proxy let nothing through to that host."
    refused = seen(await browser.open(shared.site.replace("host.internal", "127.0.0.1")))
    assert refused.notes == ("The server answered 403.",) and "is not among the hosts" in refused.shown
    assert shared.contacts() == {("elsewhere.example", "refused"), ("127.0.0.1", "refused")}
    assert seen(await browser.open(shared.secure)).url == shared.secure  # under a certificate of the proxy's
    assert shared.contacts() == {("secure.test", "allowed")}


async def test_a_login_is_kept_in_the_profile_and_the_browser_turns_nowhere_by_itself(world: World) -> None:
    first = world.browser()
    page = seen(await first.open(f"{world.site}login"))
    await first.act(Act("type", ref(page, '"User"'), "ada"))
    assert seen(await first.act(Act("click", ref(page, '"Log in"')))).shown == WELCOME
    await first.close()
    again = world.browser()
    assert seen(await again.open(f"{world.site}account")).shown == WELCOME
    assert world.contacts() == {("host.internal", "allowed")}


async def test_files_go_in_and_out(shared: World, browser: MachineBrowser) -> None:
    page = seen(await browser.open(f"{shared.site}files"))
    down = seen(await browser.act(Act("click", ref(page, '"Report"'))))
    assert down.files == (File("_a b.txt", b"the report"),)
    assert not list((shared.profile / "downloads").iterdir())
    await browser.act(Act("upload", ref(page, '"File"'), files=(File("n.txt", b"hello up"),)))
    chosen = seen(await browser.act(Act("upload", ref(page, '"Pick"'), files=(File("picked.txt", b"x"),))))
    assert chosen.title == "picked.txt"
    sent = seen(await browser.act(Act("click", ref(page, '"Upload it"'))))
    assert "hello up" in sent.shown and 'filename="n.txt"' in sent.shown


async def test_dialogs_are_answered_and_told(shared: World, browser: MachineBrowser) -> None:
    page = seen(await browser.open(f"{shared.site}dialogs"))
    told = seen(await browser.act(Act("click", ref(page, '"Confirm"'))))
    assert told.notes == ("The page showed the confirm 'Sure?', which was dismissed.",)
    await browser.act(Act("dialog", text="Ada"))
    assert '+ button "Ada"' in seen(await browser.act(Act("click", ref(page, '"Prompt"')))).shown


async def test_the_secret_of_the_browser_is_not_to_be_had(shared: World, browser: MachineBrowser) -> None:
    await browser.open(shared.site)
    live, machine = browser._live, shared.machines[-1]
    assert live is not None
    asked = ("sh", "-c", f"tr '\\0' ' ' < /proc/{live.running.pid}/cmdline")
    told = await machine.execute(asked, timeout_s=5, output_bytes_max=10_000)
    assert b"--user-data-dir" in told.stdout and live.running.path.encode() not in told.stdout
    assert (shared.profile / "profile").stat().st_mode & 0o077 == 0
