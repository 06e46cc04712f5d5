"""A person drives the browser of a session, and the agent goes on from where they have left it."""

from __future__ import annotations

import signal
import subprocess
from functools import partial
from typing import Any

import anyio
import pytest

from tests.browser.person import at_desk
from tests.browser.site import serving
from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, command, shell, wait

pytestmark = [pytest.mark.machines, pytest.mark.usefixtures("require_bubblewrap", "require_browser")]  # it takes long

SECRET = "ada-4711"  # the site takes everybody for Ada whose name begins so
VIEW: dict[str, Any] = {"tool": "browser_view", "arguments": {}}
WAIT = shell("until [ -e go ]; do sleep 0.05; done")


def look(site: str) -> dict[str, Any]:
    return {"tool": "browser_open", "arguments": {"url": site}}


def of(workhand: Workhand, kind: str) -> list[dict[str, Any]]:
    return [line["event"] for line in workhand.events(workhand.session()) if line["event"]["kind"] == kind]


class Taking:
    """The command that lets a person drive, at work."""

    def __init__(self, workhand: Workhand, *options: str) -> None:
        self.said, self.err = workhand.directory / "taken.out", workhand.directory / "taken.err"
        arguments = command("browser", "take", workhand.session(), *options)
        with self.said.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                arguments, env=workhand.environment, cwd=workhand.directory, stdout=out, stderr=err
            )

    def url(self) -> str:
        wait(lambda: b"\n" in self.said.read_bytes() or self.process.poll() is not None)
        assert self.process.poll() is None, self.err.read_text()
        return self.said.read_text().strip()

    def ended(self) -> str:
        assert self.process.wait(60) == 0, self.err.read_text()
        return self.err.read_text()


async def log_in(site: str, url: str) -> None:
    """Log in as a person does, with the keyboard, and give the browser back."""
    from playwright.async_api import expect

    async with at_desk() as person:
        page = await person.open(url)
        address = page.get_by_label("Address")
        await address.fill(f"{site}/login")
        await address.press("Enter")
        await expect(page.locator(".current .name")).to_contain_text("/login")  # it is there, and not only asked for
        await page.keyboard.press("Tab")
        await page.keyboard.type(SECRET)
        await page.keyboard.press("Enter")
        await expect(address).to_have_value(f"{site}/account")
        await page.get_by_role("button", name="Give back").click()
        await page.get_by_role("heading", name="Given back").wait_for()


def test_a_person_logs_in_while_the_agent_waits_and_it_goes_on_logged_in(workhand: Workhand) -> None:
    with serving() as port:
        site = f"http://host.internal:{port}"
        model = workhand.script(PLAN, BEGIN, look(f"{site}/account"), WAIT, VIEW, DELIVER)
        running = workhand.start("run", "--model", model, "--network", f"host.internal:{port}", "Look")
        running.until("ToolStarted", 3)  # its message, its page, and its command
        taking = Taking(workhand)
        url = taking.url()
        (workhand.home / "sessions" / workhand.session() / "workspace" / "go").touch()
        running.until_said("Somebody drives the browser; the agent waits")
        anyio.run(partial(log_in, site, url))
        assert "You have left the browser: given back." in taking.ended()
        ended = running.ended()
    assert ended.code == 0, ended.err
    assert of(workhand, "TakenOver") == [{"kind": "TakenOver", "where": "browser"}]
    (given_back,) = of(workhand, "GivenBack")
    assert (given_back["where"], given_back["shown"]) == ("browser", "")
    assert "look again with browser_view" in of(workhand, "NoticeGiven")[0]["text"]
    viewed = of(workhand, "ToolReturned")[-2]["observation"]["full"]
    assert "Welcome, Ada" in viewed and "The user drove the browser themselves" in viewed
    assert SECRET not in ended.out


def test_a_session_at_rest_gets_its_browser_opened_and_keeps_the_login(workhand: Workhand) -> None:
    with serving() as port:
        site = f"http://host.internal:{port}"
        model = workhand.script(PLAN, BEGIN, DELIVER, BEGIN, look(f"{site}/account"), DELIVER)
        workhand("run", "--model", model, "--network", f"host.internal:{port}", "Look")
        taking = Taking(workhand)
        anyio.run(partial(log_in, site, taking.url()))
        assert f"`workhand resume {workhand.session()}` goes on" in taking.ended()
        assert workhand("say", workhand.session(), "Go on.").code == 0
    assert "Welcome, Ada" in of(workhand, "ToolReturned")[-2]["observation"]["full"]


@pytest.mark.parametrize("how", ["interrupt", "time"])
def test_the_browser_is_given_back_with_ctrl_c_or_when_the_time_is_up(workhand: Workhand, how: str) -> None:
    model = workhand.script(PLAN, BEGIN, DELIVER, BEGIN, DELIVER)
    workhand("run", "--model", model, "--network", "host.internal:9", "Look")
    taking = Taking(workhand, *(("--minutes", "0.1") if how == "time" else ()))
    taking.url()
    if how == "interrupt":
        taking.process.send_signal(signal.SIGINT)
    told = taking.ended()
    assert ("the time is up" if how == "time" else "its page is closed") in told
    assert workhand("say", workhand.session(), "Go on.").code == 0
    assert len(of(workhand, "TakenOver")) == len(of(workhand, "GivenBack")) == 1


def test_who_has_no_browser_is_told(workhand: Workhand) -> None:
    workhand("run", "--model", workhand.script(PLAN, BEGIN, DELIVER), "Look")
    refused = workhand("browser", "take", workhand.session())
    assert (refused.code, "has no network, and so no browser" in refused.err) == (3, True)
