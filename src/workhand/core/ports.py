"""What is needed of the world: the interfaces that the shells implement.

The core only names them.  Each has at least one real implementation and one
in ``workhand.testing``; nothing here waits or does I/O by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from workhand.core.canonical import ADDED
from workhand.core.consent.rules import Answer
from workhand.core.events import (
    ActForeseen,
    Event,
    FilesNotSaved,
    FilesSaved,
    HostContacted,
    ModelAnswered,
    SandboxOpened,
    ToolCall,
)
from workhand.core.log import Entry
from workhand.core.mask import Mask
from workhand.core.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of live output.  Shown to people, never logged."""

    source: Literal["text", "call", "output"]  # the model's words, its call, a tool's output
    text: str


@dataclass(frozen=True, slots=True)
class Retry:
    """A model client is about to try again."""

    reason: str
    attempt: int
    delay_s: float


Live: TypeAlias = Delta | Retry | SandboxOpened | HostContacted
"""What is said while something runs: output for people, and what the runtime writes into the log beside the outcome."""

Watch: TypeAlias = Callable[[Live], None]


class Model(Protocol):
    async def answer(self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch) -> ModelAnswered:
        """Ask for one answer.  Calls in it have empty ids; the runtime numbers them.

        Raises ``ModelUnavailable``, ``ModelRefused``, ``ContextOverflow`` or ``MalformedAnswer``,
        or ``ConfigError`` when the server does not know the key or the model.
        """
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What running a call brought, before the ingestion gate."""

    head: str  # one line about what happened, always shown in full
    compact: str  # what to call it once it is compacted: the call in a few words, and its handle
    original: bytes = b""  # the untouched content, which the gate may replace by a preview
    ok: bool = True
    refused: bool = False  # nothing was done
    as_is: bool = False  # the gate lets it in whole: it is read back, or bounded by its own limit
    hidden: bool = False  # the original is no text: it is kept, and only the head is shown
    picture: str = ""  # media type of a hidden original that a model which sees is shown beside the head


class Toolbox(Protocol):
    async def run(self, call: ToolCall, watch: Watch) -> Outcome:
        """Run one call.  What the model can repair comes back as an outcome that is not ok.

        Raises ``SandboxLost`` when the machine is gone.
        """
        ...

    def foresee(self, call: ToolCall) -> ActForeseen:
        """Say what an act in the browser would mean on the page as it stands."""
        ...

    def heed(self, answers: tuple[Answer, ...]) -> None:
        """Let what people have allowed hold for whatever runs next."""
        ...

    async def keep(self, path: str, content: bytes) -> None:
        """Put a file where the model can read it at ``path``, below ``.workhand/`` in its workspace.

        Raises ``StoreError`` for any other path, and if it cannot be written.
        """
        ...

    async def kept(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        """Give the SHA-256 digests of those of the paths below ``.workhand/`` at which there is a file."""
        ...

    async def missing(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Give those of the paths at which the model would find nothing."""
        ...

    async def save(self, snapshots: tuple[str, ...]) -> FilesSaved | FilesNotSaved | None:
        """Keep the workspace as it is; ``snapshots`` are the session's, the latest last.  ``None``: none are kept."""
        ...


@dataclass(frozen=True, slots=True)
class Executed:
    """How a command in a sandbox went."""

    exit_code: int | None  # None: it had not ended at the time limit; -N: ended by signal N
    stdout: bytes  # of a shell command: everything the terminal showed
    stderr: bytes = b""
    dropped_bytes: int = 0  # left out of the middle, past the output limit


@dataclass(frozen=True, slots=True)
class FileStatus:
    path: str  # relative to the workspace, or absolute outside of it
    kind: Literal["file", "directory", "other"]
    bytes: int
    digest: str | None = None  # SHA-256 of a file's content, when asked for


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a sandbox really gives, found by trying, never assumed."""

    backend: str  # "bubblewrap", "gvisor", "qemu", "docker", "e2b", "unsafe"
    isolation: Literal["none", "namespace", "kernel", "vm", "remote"]
    limits: str  # "cgroup v1", "cgroup v2", "rlimits", "none": what enforces them
    network: Literal["none", "guarded", "host"]
    notes: tuple[str, ...] = ()  # what is weaker than one might expect, a sentence each
    resumed: bool = field(default=False, metadata=ADDED)  # with all that ran in the session's machine before


class Sandbox(Protocol):
    """One machine of one session.  Paths are relative to its workspace, or absolute inside it.

    Every method raises ``SandboxLost`` when the machine is gone.  Files that cannot be
    read or written raise ``OSError`` with the errno and path of the failure inside.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def execute(
        self,
        argv: tuple[str, ...],
        *,
        stdin: bytes = b"",
        timeout_s: float,
        output_bytes_max: int,
        watch: Watch | None = None,
    ) -> Executed:
        """Run one program in the workspace; past the time limit its whole group is killed."""
        ...

    async def shell_run(
        self, shell: str, command: str, *, timeout_s: float, output_bytes_max: int, watch: Watch | None = None
    ) -> Executed:
        """Run a command in a named persistent shell; past the time limit it goes on in the background.

        Raises ``OSError`` (EBUSY) while the shell still runs an earlier command.
        """
        ...

    async def shell_view(self, shell: str, *, wait_s: float, output_bytes_max: int) -> Executed:
        """Give what a shell has shown since last looked at; wait for its command to end, ``wait_s`` at most."""
        ...

    async def shell_input(self, shell: str, text: str) -> None:
        """Type text into a shell's terminal; control characters are sent as they are."""
        ...

    async def read(self, path: str, *, offset: int = 0, bytes_max: int) -> bytes: ...

    async def write(self, path: str, content: bytes) -> None:
        """Replace a file atomically, making its directories."""
        ...

    async def status(self, path: str, *, digest: bool = False) -> FileStatus | None:
        """Describe a path; ``None`` if there is nothing."""
        ...

    def hits(self) -> tuple[str, ...]:
        """Say of each limit that was run into since the last time what became of it, in a sentence."""
        ...

    async def close(self) -> None:
        """End everything inside.  The workspace stays."""
        ...


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as a store lists it."""

    id: str
    status: str  # runnable, running, waiting, ended
    title: str
    created_at: float
    updated_at: float
    head: int  # the position that the next event will get
    epoch: int
    owner: str | None
    parent: str | None
    parent_head: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to append to a session, until somebody else claims it."""

    session: str
    epoch: int


class EventStore(Protocol):
    async def create(self, session: str, *, title: str, at: float) -> None:
        """Make an empty session.  Raises ``Conflict`` if the id is taken."""
        ...

    async def adopt(self, session: str, entries: tuple[Entry, ...], *, title: str, at: float, status: str) -> None:
        """Make a session with its first entries at once.  Raises ``Conflict`` if the id is taken."""
        ...

    async def claim(self, session: str, *, owner: str) -> Claim:
        """Take a session: every earlier claim of it can no longer append."""
        ...

    async def read(self, session: str) -> tuple[Entry, ...]:
        """Give all entries in order, those of the parent of a fork first."""
        ...

    async def append(
        self,
        claim: Claim,
        after: int,
        events: tuple[Event, ...],
        *,
        at: float,
        status: str,
        originals: tuple[bytes, ...] = (),
    ) -> bool:
        """Append durably and atomically at position ``after``, or raise ``Conflict``.

        Compare-and-swap on the claim's epoch and the head; when this returns,
        the events survive a power loss, and so do ``originals``, the blobs that
        they name.  ``status`` is the session's new status.  Says whether anything
        waits in the session's inbox.
        """
        ...

    async def post(self, session: str, event: Event) -> None:
        """Leave an event for whoever runs the session (its inbox)."""
        ...

    async def peek(self, session: str) -> tuple[Event, ...]:
        """Show the inbox without taking from it."""
        ...

    async def take(self, claim: Claim, after: int, *, at: float, status: str) -> tuple[Event, ...]:
        """Move the inbox into the log at position ``after``, atomically; give what was moved."""
        ...

    async def fork(self, parent: str, position: int, session: str, *, title: str, at: float) -> None:
        """Make a session whose first ``position`` entries are the parent's, without copying."""
        ...

    async def sessions(self) -> tuple[SessionRow, ...]:
        """List all sessions, newest first."""
        ...

    async def delete(self, session: str) -> None:
        """Delete a session.  Raises ``Conflict`` while another session is a fork of it."""
        ...


class BlobStore(Protocol):
    async def put(self, content: bytes) -> str:
        """Store content durably and give its SHA-256 digest."""
        ...

    async def get(self, digest: str) -> bytes:
        """Give stored content back, byte for byte.  Raises ``StoreError`` if it is missing or damaged."""
        ...


class Clock(Protocol):
    def now(self) -> float:
        """Give the time in seconds since the Unix epoch."""
        ...
