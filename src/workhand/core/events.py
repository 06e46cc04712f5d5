"""What can happen in a session.

Events are facts in the past tense.  The log of them is the only state that a
session has: prompts, plans, costs and limits are all derived from it.  Events
hold no clock and no chance; the runtime stamps the entry that carries them.

The shapes are an interface to every log ever written (``FORMAT``).  Fields and
kinds may be added with defaults; none may be renamed, removed or reinterpreted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from workhand.core.canonical import ADDED
from workhand.core.policy import Guard, Limits, Policy, Prices, Purpose

FORMAT = 2
"""The version of the log format that this package writes."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One action that the model chose."""

    id: str
    tool: str
    arguments: str  # canonical JSON: the very text the model is shown again


@dataclass(frozen=True, slots=True)
class Observation:
    """What an action brought, in the two forms that every tool supplies."""

    full: str  # as it entered the context, after the ingestion gate
    compact: str  # enough to get ``full`` back: a path, a URL, a query
    ok: bool = True
    blob: str | None = None  # digest of the untouched original, when ``full`` is not it
    path: str | None = None  # where the model can read that original in its workspace
    form: Literal["whole", "preview", "repeat"] = field(default="whole", metadata=ADDED)  # in which ``full`` entered
    picture: str = field(default="", metadata=ADDED)  # media type of the original, which is shown as a picture


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with a message, by its path in the workspace."""

    path: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What one model call used.  Input counts include what was read from the cache."""

    input_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = None  # None: the price is unknown, never zero
    written_long_tokens: int = field(default=0, metadata=ADDED)  # of the written, for the longer of two lifetimes


@dataclass(frozen=True, slots=True)
class Phase:
    """One part of the plan."""

    title: str
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """The goal, its phases in order, and how many of them are done."""

    goal: str
    phases: tuple[Phase, ...]
    done: int = 0  # phases[:done] are finished; phases[done] is the current one

    @property
    def current(self) -> Phase | None:
        return self.phases[self.done] if self.done < len(self.phases) else None


@dataclass(frozen=True, slots=True)
class Goal:
    text: str
    weight: int = 1
    done: bool = False


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where something can be found again, and what it is."""

    where: str  # a path, a URL, a query
    what: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What stands for the part of a history that is no longer shown."""

    goals: tuple[Goal, ...]
    constraints: tuple[str, ...]
    decisions: tuple[str, ...]
    state: str
    files: tuple[Pointer, ...]  # that were made or changed
    open_items: tuple[str, ...]
    pointers: tuple[Pointer, ...]
    failed: tuple[str, ...]  # what was tried and did not work


@dataclass(frozen=True, slots=True)
class SessionStarted:
    policy: Policy
    format: int = FORMAT
    kind: Literal["SessionStarted"] = "SessionStarted"


@dataclass(frozen=True, slots=True)
class Forked:
    """The entries before this one are another session's, up to a position."""

    parent: str
    position: int
    kind: Literal["Forked"] = "Forked"


@dataclass(frozen=True, slots=True)
class Rewound:
    """From here on the entries from position ``to`` up to this one are not in view."""

    to: int
    kind: Literal["Rewound"] = "Rewound"


@dataclass(frozen=True, slots=True)
class UserSaid:
    text: str
    attachments: tuple[Attachment, ...] = ()
    kind: Literal["UserSaid"] = "UserSaid"


@dataclass(frozen=True, slots=True)
class NoticeGiven:
    """Something that the harness, not the user, tells the model."""

    text: str
    kind: Literal["NoticeGiven"] = "NoticeGiven"


@dataclass(frozen=True, slots=True)
class ModelAnswered:
    text: str
    calls: tuple[ToolCall, ...]
    usage: Usage
    model: str
    prompt_bytes: int  # size of the body and tail that were sent, for calibration
    prompt_digest: str  # SHA-256 over the body that was sent, a line feed after each piece
    first_token_s: float | None = None
    duration_s: float | None = None
    dropped_calls: int = 0  # calls after the first: one action a turn
    opaque: str | None = None  # what only the provider's own wire half reads
    missed: str = field(default="", metadata=ADDED)  # why the provider says that its cache did not serve
    kind: Literal["ModelAnswered"] = "ModelAnswered"


@dataclass(frozen=True, slots=True)
class ModelRetried:
    reason: str
    attempt: int
    delay_s: float
    kind: Literal["ModelRetried"] = "ModelRetried"


@dataclass(frozen=True, slots=True)
class ModelFailed:
    """The model gave no answer; the session can be resumed from here."""

    error: str  # the class name from ``workhand.errors``
    message: str
    kind: Literal["ModelFailed"] = "ModelFailed"
    purpose: Purpose = field(default="act", metadata=ADDED)


@dataclass(frozen=True, slots=True)
class ModelSwitched:
    """From here on another model is asked for a purpose; what a cache holds for the one before is lost."""

    purpose: Purpose
    model: str  # "provider:name"
    reason: str
    kind: Literal["ModelSwitched"] = "ModelSwitched"


@dataclass(frozen=True, slots=True)
class SandboxOpened:
    """A machine was opened for the session, with the isolation it really has."""

    backend: str
    isolation: str
    limits: str  # which mechanism enforces limits, as the backend reports it
    resumed: bool = field(default=False, metadata=ADDED)  # with all that ran in the session's machine before
    kind: Literal["SandboxOpened"] = "SandboxOpened"


@dataclass(frozen=True, slots=True)
class HostContacted:
    """The machine turned to a host, and one rule decided what became of it: all like requests of one action."""

    host: str
    port: int
    verdict: Literal["allowed", "refused"]
    rule: str
    reason: str = ""  # why it was refused, and what helps
    what: str = ""  # the first of the requests: its method and path, without a query
    requests: int = 1
    sent_bytes: int = 0
    received_bytes: int = 0
    asks: bool = False  # a person could allow what was refused
    irreversible: bool = False  # and is to be asked each time
    kind: Literal["HostContacted"] = "HostContacted"


@dataclass(frozen=True, slots=True)
class ActForeseen:
    """What an act would mean on the page as it stands, looked at before it is done."""

    call_id: str
    intent: Literal["look", "input", "submit", "pay", "post"]
    what: str = ""  # in one line, with the name that the page gives the thing
    host: str = ""
    named: bool = False  # by the session's network, or allowed by a person
    kind: Literal["ActForeseen"] = "ActForeseen"


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """The session waits until a person says whether this may be done."""

    id: str  # of the call; or of a host that was refused
    what: str  # in one line
    rule: str
    subject: str  # what an answer that lasts would hold for
    why: str
    lasting: bool = True  # whether an answer may hold for more than this once
    kind: Literal["ApprovalAsked"] = "ApprovalAsked"


@dataclass(frozen=True, slots=True)
class ApprovalGiven:
    id: str
    answer: Literal["once", "session", "always", "no"]
    rule: str
    subject: str
    by: Literal["user", "policy"] = "user"
    kind: Literal["ApprovalGiven"] = "ApprovalGiven"


@dataclass(frozen=True, slots=True)
class GuardChanged:
    """From here on the session is kept from the world in this way."""

    guard: Guard
    kind: Literal["GuardChanged"] = "GuardChanged"


Where: TypeAlias = Literal["machine", "browser"]
"""What of a session a person has taken over."""


@dataclass(frozen=True, slots=True)
class TakenOver:
    """A person works in the session's machine, or drives its browser."""

    kind: Literal["TakenOver"] = "TakenOver"
    where: Where = field(default="machine", metadata=ADDED)


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The person has left; ``shown`` is the last of what their terminal showed, and nothing of a browser."""

    shown: str
    seconds: float
    kind: Literal["GivenBack"] = "GivenBack"
    where: Where = field(default="machine", metadata=ADDED)


@dataclass(frozen=True, slots=True)
class Published:
    """A port of the machine is shown to the person at an address, for as long as the machine is open."""

    port: int
    address: str  # empty: it is shown no longer
    what: str = ""
    kind: Literal["Published"] = "Published"


@dataclass(frozen=True, slots=True)
class FilesSaved:
    """A snapshot holds the workspace as it is here; nothing has run since the last event that could change it."""

    snapshot: str
    changed_files: int  # since the snapshot before
    changed_bytes: int
    notes: tuple[str, ...] = ()  # what of the workspace is not in it
    kind: Literal["FilesSaved"] = "FilesSaved"


@dataclass(frozen=True, slots=True)
class FilesNotSaved:
    """The workspace could not be kept as it is here: no rewind brings it back."""

    reason: str
    kind: Literal["FilesNotSaved"] = "FilesNotSaved"


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """Written before a tool runs, so that a crash leaves a trace."""

    call_id: str
    attempt: int = 1
    kind: Literal["ToolStarted"] = "ToolStarted"


@dataclass(frozen=True, slots=True)
class ToolReturned:
    call_id: str
    observation: Observation
    how: Literal["ran", "refused", "unknown"] = "ran"  # unknown: interrupted, may have taken effect
    kind: Literal["ToolReturned"] = "ToolReturned"


@dataclass(frozen=True, slots=True)
class PlanChanged:
    plan: Plan
    kind: Literal["PlanChanged"] = "PlanChanged"


@dataclass(frozen=True, slots=True)
class ResultsCompacted:
    """From here on these results are shown in compact form, and so are some calls.  Loses nothing."""

    call_ids: tuple[str, ...]
    kind: Literal["ResultsCompacted"] = "ResultsCompacted"
    arguments: tuple[str, ...] = field(default=(), metadata=ADDED)  # ids of the calls whose long arguments go, too
    why: Literal["", "rent", "cold", "trigger", "cliff", "overflow"] = field(default="", metadata=ADDED)


@dataclass(frozen=True, slots=True)
class HistorySummarized:
    """From here on the entries before position ``until`` are shown as a summary; ``log_path`` has the whole."""

    until: int
    summary: Summary
    log_path: str  # a file that the model can read and search
    usage: Usage
    model: str
    why: Literal["rent", "trigger", "overflow"] = "trigger"
    kind: Literal["HistorySummarized"] = "HistorySummarized"


@dataclass(frozen=True, slots=True)
class SummaryRejected:
    """A summary failed its checks and is not used."""

    reasons: tuple[str, ...]
    usage: Usage
    model: str
    kind: Literal["SummaryRejected"] = "SummaryRejected"


@dataclass(frozen=True, slots=True)
class PrefixBroken:
    """A request did not begin with the one before it, and no recorded reduction says why."""

    piece: int  # index in the body of the first piece that differs; -1: only the digests could be compared
    byte: int  # in that piece
    reason: str
    kind: Literal["PrefixBroken"] = "PrefixBroken"


@dataclass(frozen=True, slots=True)
class PricesChanged:
    prices: Prices
    kind: Literal["PricesChanged"] = "PricesChanged"


@dataclass(frozen=True, slots=True)
class LimitsChanged:
    limits: Limits
    kind: Literal["LimitsChanged"] = "LimitsChanged"


@dataclass(frozen=True, slots=True)
class LimitHit:
    """A limit is used up; the model gets one last call to deliver what there is."""

    limit: Literal["steps", "tokens", "cost_usd", "seconds", "context"]
    used: float
    allowed: float
    kind: Literal["LimitHit"] = "LimitHit"


@dataclass(frozen=True, slots=True)
class Paused:
    kind: Literal["Paused"] = "Paused"


@dataclass(frozen=True, slots=True)
class Resumed:
    kind: Literal["Resumed"] = "Resumed"


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The work is over; a new message of the user takes it up again."""

    reason: Literal["answered", "cancelled", "limit", "stuck"]
    detail: str = ""
    kind: Literal["SessionEnded"] = "SessionEnded"


Event: TypeAlias = (
    SessionStarted
    | Forked
    | Rewound
    | UserSaid
    | NoticeGiven
    | ModelAnswered
    | ModelRetried
    | ModelFailed
    | ModelSwitched
    | SandboxOpened
    | HostContacted
    | ActForeseen
    | ApprovalAsked
    | ApprovalGiven
    | GuardChanged
    | TakenOver
    | GivenBack
    | Published
    | FilesSaved
    | FilesNotSaved
    | ToolStarted
    | ToolReturned
    | PlanChanged
    | ResultsCompacted
    | HistorySummarized
    | SummaryRejected
    | PrefixBroken
    | PricesChanged
    | LimitsChanged
    | LimitHit
    | Paused
    | Resumed
    | SessionEnded
)
