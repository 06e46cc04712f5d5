"""Run a call: read its arguments, perform it in the session's machine.

The machine is opened when the first call needs it, and opened again when it was
lost.  Whatever goes wrong inside a tool is an outcome, with its trace: only
the loss of the machine is raised, because the log must say that the outcome is
unknown.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from workhand.core.browsing import Browser
from workhand.core.consent.rules import Answer
from workhand.core.events import ActForeseen, FilesNotSaved, FilesSaved, HostContacted, SandboxOpened, ToolCall
from workhand.core.policy import Policy
from workhand.core.ports import Outcome, Sandbox, Watch
from workhand.core.searching import Search
from workhand.errors import SandboxError, SandboxLost
from workhand.tools import browser, file, message, search, shell, view
from workhand.tools.arguments import read_arguments
from workhand.tools.folder import Folder
from workhand.tools.message import Deliver

OpenSandbox: TypeAlias = Callable[[], Awaitable[Sandbox]]
Save: TypeAlias = Callable[[tuple[str, ...]], Awaitable[FilesSaved | FilesNotSaved]]
NO_BROWSER = "This session has no browser, since its machine has no network; the user can give it one with --network."
REFUSALS_MAX = 5  # that are told with one result


class Surroundings(Protocol):
    """What is around a machine on the host: its way out, and what may not leave by others."""

    def heed(self, answers: tuple[Answer, ...]) -> None:
        """Let what people have allowed hold from here on."""
        ...

    def knows(self, host: str, port: int) -> bool:
        """Say whether a host is one that the person has named or allowed."""
        ...

    def contacts(self) -> tuple[HostContacted, ...]:
        """Give what the machine has turned to since the last time, and take it off the list."""
        ...

    async def secrets_in(self, content: bytes) -> tuple[str, ...]:
        """Name the person's secrets whose values are in a content, in whatever way they are written."""
        ...


@dataclass(frozen=True, slots=True)
class Reach:
    """What a session reaches besides its machine."""

    browser: Browser | None = None
    search: Search | None = None
    today: Callable[[], str] = str  # as YYYY-MM-DD


class SandboxToolbox:
    """The level-1 functions over one session's machine, and the folder of what is kept for the model there."""

    def __init__(
        self,
        policy: Policy,
        open_sandbox: OpenSandbox,
        deliver: Deliver,
        folder: Folder,
        surroundings: Surroundings | None = None,
        save_files: Save | None = None,
        reach: Reach | None = None,
    ) -> None:
        self.policy = policy
        self.open_sandbox = open_sandbox
        self.deliver = deliver
        self.folder = folder
        self.surroundings = surroundings
        self.save_files = save_files
        self.reach = reach or Reach()
        self.sandbox: Sandbox | None = None
        self.announced = False

    async def run(self, call: ToolCall, watch: Watch) -> Outcome:
        asked = read_arguments(call)
        if isinstance(asked, str):
            return Outcome(asked, f"{call.tool}: {asked}", ok=False)
        if isinstance(asked, message.MessageInfo | message.MessageAsk | message.MessageResult) and (
            held := await self.secrets_in(asked.text.encode(errors="replace"))
        ):
            return message.withheld("the text", held)
        if isinstance(asked, message.MessageInfo | message.MessageAsk):
            return Outcome("shown to the user", f"{call.tool}: shown")
        if isinstance(asked, message.MessageResult) and not asked.attachments:  # needs no machine
            return Outcome("delivered", f"{call.tool}: delivered")
        sandbox = await self.machine()
        if not self.announced:
            given = sandbox.capabilities
            watch(SandboxOpened(given.backend, given.isolation, given.limits, given.resumed))
            self.announced = True
        try:
            return self.with_contacts(with_hits(await self.perform(asked, sandbox, watch), sandbox.hits()), watch)
        except SandboxLost:
            self.sandbox = None
            raise
        except OSError as error:
            reason = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
            return Outcome(reason, f"{call.tool}: {reason}", ok=False)
        except SandboxError:
            raise
        except Exception:
            trace = traceback.format_exc(limit=-4)
            return Outcome(trace, f"{call.tool}: failed inside the tool", ok=False)

    def with_contacts(self, outcome: Outcome, watch: Watch) -> Outcome:
        """Report what the machine turned to, and tell the model what of it was refused."""
        found = self.surroundings.contacts() if self.surroundings is not None else ()
        for contact in found:
            watch(contact)
        refused = [
            f"[refused by rule {each.rule!r}: {each.what} at {each.host}: {each.reason}]"
            for each in found
            if each.verdict == "refused"
        ]
        if not refused:
            return outcome
        more = [f"[and {len(refused) - REFUSALS_MAX} more]"] if len(refused) > REFUSALS_MAX else []
        return replace(outcome, head="\n".join([outcome.head, *refused[:REFUSALS_MAX], *more]))

    async def secrets_in(self, content: bytes) -> tuple[str, ...]:
        return await self.surroundings.secrets_in(content) if self.surroundings is not None else ()

    def foresee(self, call: ToolCall) -> ActForeseen:
        asked, acting = read_arguments(call), self.reach.browser
        if not isinstance(asked, browser.BrowserAct) or acting is None:
            return ActForeseen(call.id, "look")  # it will be refused
        knows = self.surroundings.knows if self.surroundings is not None else lambda *_: False
        return browser.foreseen(call.id, asked, acting, knows)

    def heed(self, answers: tuple[Answer, ...]) -> None:
        if self.surroundings is not None:
            self.surroundings.heed(answers)

    async def machine(self) -> Sandbox:
        """Give the session's machine, opening it if there is none.  Raises ``SandboxUnavailable``."""
        if self.sandbox is None:
            self.sandbox = await self.open_sandbox()
            self.announced = False
        return self.sandbox

    async def aclose(self) -> None:
        if self.reach.browser is not None:
            await self.reach.browser.close()
        if self.sandbox is not None:
            await self.sandbox.close()
            self.sandbox = None

    async def perform(self, asked: object, sandbox: Sandbox, watch: Watch) -> Outcome:
        match asked:
            case file.FileRead():
                return await file.file_read(asked, sandbox)
            case file.FileWrite():
                return await file.file_write(asked, sandbox)
            case file.FileEdit():
                return await file.file_edit(asked, sandbox)
            case file.FileFind():
                return await file.file_find(asked, sandbox)
            case view.FileView() if not self.policy.sees:
                return Outcome(view.BLIND, view.BLIND, ok=False)
            case view.FileView():
                return await view.file_view(asked, sandbox)
            case shell.ShellRun():
                return await shell.shell_run(asked, sandbox, watch)
            case shell.ShellView():
                return await shell.shell_view(asked, sandbox)
            case shell.ShellInput():
                return await shell.shell_input(asked, sandbox)
            case search.SearchWeb():
                return await search.search_web(asked, self.reach.search, self.reach.today())
            case message.MessageResult():
                return await message.message_result(asked, sandbox, self.deliver, self.secrets_in)
        if self.reach.browser is None:
            return Outcome(NO_BROWSER, NO_BROWSER, ok=False)
        match asked:
            case browser.BrowserOpen():
                return await browser.browser_open(asked, self.reach.browser, sandbox)
            case browser.BrowserView():
                return await browser.browser_view(asked, self.reach.browser, sandbox)
            case browser.BrowserAct():
                return await browser.browser_act(asked, self.reach.browser, sandbox)
        raise AssertionError(f"no function for {type(asked).__name__}")

    async def keep(self, path: str, content: bytes) -> None:
        await self.folder.keep(path, content)

    async def kept(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        return await self.folder.digests(paths)

    async def save(self, snapshots: tuple[str, ...]) -> FilesSaved | FilesNotSaved | None:
        return await self.save_files(snapshots) if self.save_files is not None else None

    async def missing(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        sandbox = await self.machine()
        try:
            return tuple([path for path in paths if not await _exists(path, sandbox)])
        except SandboxLost:
            self.sandbox = None
            raise


def with_hits(outcome: Outcome, hits: tuple[str, ...]) -> Outcome:
    """Tell the model which limits of its machine this ran into."""
    return replace(outcome, head="\n".join([outcome.head, *(f"[limit: {each}]" for each in hits)])) if hits else outcome


async def _exists(path: str, sandbox: Sandbox) -> bool:
    try:
        return await sandbox.status(path) is not None
    except OSError:  # such as a name that is too long for any file
        return False
