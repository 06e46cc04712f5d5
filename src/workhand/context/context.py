"""One conversation of an agent that is not ours: its log, and what is derived from it.

What happens is recorded here by the agent's own loop; everything else is the
engine's: results pass its gate, its schedule says what is reduced, its renderer
gives the prompt and its audit compares each with the one before.  Nothing is
decided here, and nothing waits: only the place that keeps originals does I/O.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TypeAlias

from workhand.context.originals import Keep, originals
from workhand.core import budget, canonical, compact, gate, mask, reducing, schedule, summary
from workhand.core.audit import Audit, CallAudit, audit
from workhand.core.canonical import Json
from workhand.core.decide import PLACEHOLDER
from workhand.core.events import (
    Event,
    ModelAnswered,
    ModelFailed,
    NoticeGiven,
    Observation,
    Phase,
    Plan,
    PlanChanged,
    PrefixBroken,
    PricesChanged,
    ResultsCompacted,
    SessionStarted,
    SummaryRejected,
    ToolCall,
    ToolReturned,
    Usage,
    UserSaid,
)
from workhand.core.excerpt import line
from workhand.core.log import Entry, Log
from workhand.core.mask import Mask
from workhand.core.policy import Policy, Prices, Rules, ToolSpec, Window, fitted
from workhand.core.ports import Outcome
from workhand.core.prices import prices_of
from workhand.core.prompt import Prompt
from workhand.core.reducing import Question
from workhand.core.render import render
from workhand.core.spent import Spent
from workhand.errors import ConfigError, ContextOverflow, StoreError
from workhand.models.wire.arguments import well_formed
from workhand.store import codec

Written: TypeAlias = str | tuple[str, Usage]
"""A summary that a model wrote, and what it used if that is known."""

Summarize: TypeAlias = Callable[[Prompt, str], Written]
SummarizeAsync: TypeAlias = Callable[[Prompt, str], Awaitable[Written]]
"""Asks a model for a summary.  The prompt's tail is the instruction, which is given once more for whoever needs it."""

SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what every API takes, and what can stand in a path
LABEL_CHARS_MAX = 120
LINES_MAX = 400
SLICE_CHARS_MAX = 16_000
SESSION = "context"  # what errors call a log that has no session around it


def tool(name: str, description: str, parameters: Mapping[str, Json]) -> ToolSpec:
    """Describe a tool by a JSON Schema of its arguments."""
    return ToolSpec(name, description, canonical.encode(dict(parameters)).decode())


def begin(
    system: str,
    tools: Iterable[ToolSpec] = (),
    *,
    window: int | Window = 128_000,
    prices: Prices | None = None,
    rules: Rules | None = None,
    keep: Keep = None,
    model: str = "",
    now: Callable[[], float] = time.time,
) -> Context:
    """Begin a context.

    ``window`` is what the model's server accepts, in tokens, or all three thresholds; ``prices`` are
    relative to uncached input.  ``keep`` is a directory or a function that takes a path and bytes; by
    default originals are kept in memory.  For any other choice make a ``Policy``, and a ``Context`` of it.
    """
    hard = window if isinstance(window, int) else window.hard
    policy = Policy(
        model=model, system_prompt=system, tools=tuple(tools), prices=prices or Prices(), rules=rules or Rules()
    )
    policy = fitted(policy, hard)
    if isinstance(window, Window):
        policy = replace(policy, window=window)
    return Context((Entry(0, now(), SessionStarted(policy)),), keep=keep, now=now)


def load(lines: bytes, *, keep: Keep = None, now: Callable[[], float] = time.time) -> Context:
    """Go on from what ``save`` gave.  Raises ``StoreError`` if it cannot be read."""
    rows = enumerate(lines.splitlines())
    return Context((codec.decode_line(line, SESSION, position) for position, line in rows), keep=keep, now=now)


class Context:
    """The log of one conversation.  Not to be used from two threads at once."""

    def __init__(self, record: Iterable[Entry], *, keep: Keep = None, now: Callable[[], float] = time.time) -> None:
        """Go on from a record of entries, the first of which is ``SessionStarted``."""
        self._record = list(record)
        if not self._record or not isinstance(self._record[0].event, SessionStarted):
            raise ConfigError("A record must begin with SessionStarted; begin() makes a context without one.")
        self.log = Log.of(self._record)
        self.policy = self.log.policy
        self.originals = originals(keep)
        self._now = now
        self._audit = Audit()
        self._asked: _Asked | None = None
        self._calls: dict[str, ToolCall] = {}  # all that were recorded
        self._open: dict[str, ToolCall] = {}  # those of them without a result
        for event in self.log.events:
            if isinstance(event, ModelAnswered):
                self._calls.update((call.id, call) for call in event.calls)
                self._open = {call.id: call for call in event.calls}
            elif isinstance(event, ToolReturned):
                self._open.pop(event.call_id, None)

    # -- recording -------------------------------------------------------------

    def user(self, text: str) -> None:
        self._note(UserSaid(well_formed(text)))

    def notice(self, text: str) -> None:
        """Record what the harness, not the user, tells the model."""
        self._note(NoticeGiven(well_formed(text)))

    def plan(self, goal: str, phases: Iterable[str], done: int = 0) -> None:
        """Record the plan; from now on it is recited at the end of each prompt."""
        titles = tuple(Phase(well_formed(title)) for title in phases)
        if not 0 <= done <= len(titles):
            raise ConfigError(f"done must be the number of finished phases, from 0 to {len(titles)}, not {done!r}.")
        self._note(PlanChanged(Plan(well_formed(goal), titles, done)))

    def reprice(self, prices: Prices) -> None:
        """Record that tokens cost something else from now on."""
        if prices != prices_of(self.log, self.policy):
            self._note(PricesChanged(prices))

    def overflowed(self, message: str = "") -> None:
        """Record that the latest prompt did not fit; the next ``reduce`` then takes out what it can."""
        self._asked = None
        self._note(ModelFailed("ContextOverflow", well_formed(message)))

    def answer(
        self,
        text: str = "",
        calls: Iterable[ToolCall] = (),
        *,
        usage: Usage | None = None,
        model: str = "",
        opaque: str | None = None,
    ) -> tuple[ToolCall, ...]:
        """Record what the model answered to the latest prompt, and give its calls as they are on record.

        An id that no API takes, or that an earlier call has, is replaced.  ``opaque`` is what a
        provider wants to see again, under the key of the wire that reads it.
        """
        self._demand_results()
        asked = self._asked or _Asked(render(self.log, self.policy), self.log.head)
        named = tuple(self._named(call, index) for index, call in enumerate(calls))
        digest = self._audit.sent(asked.prompt.body)
        if asked.head != self.log.head:  # something was said meanwhile: it stands before the answer, and was not sent
            digest = ""
        size = asked.prompt.size
        self._note(ModelAnswered(well_formed(text), named, usage or Usage(), model, size, digest, opaque=opaque))
        self._asked = None
        self._calls.update((call.id, call) for call in named)
        self._open = {call.id: call for call in named}
        return named

    def result(
        self, call_id: str, content: str | bytes, *, ok: bool = True, label: str | None = None, whole: bool = False
    ) -> Observation:
        """Record what a call brought, and give the form in which it enters the context.

        ``label`` is what to call it once it is compacted.  ``whole`` lets it in as it is: for what was
        read back on purpose.
        """
        call = self._open.get(call_id)
        if call is None:
            waiting = ", ".join(self._open) or "none"
            raise ConfigError(f"No open call has the id {call_id!r}; the open ones are: {waiting}.")
        original = well_formed(content).encode() if isinstance(content, str) else content
        outcome = Outcome("", label or _label(call), original, ok, as_is=whole)
        seen = gate.admit(self.log, self.policy, _in_a_path(call), outcome)
        if (path := _kept_at(seen, call)) is not None:
            self.originals.keep(path, original)
        self._note(ToolReturned(call_id, seen))
        del self._open[call_id]
        return seen

    # -- asking ----------------------------------------------------------------

    def reduce(self, summarize: Summarize | None = None) -> tuple[Event, ...]:
        """Apply the reductions that are due before the next prompt, and give what was recorded.

        Without ``summarize`` the context is only compacted.  What it raises passes through, and
        nothing is lost; a ``ContextOverflow`` counts as a summary that could not be used.
        """
        before = self.log.head
        steps = self._reductions(summarize is not None)
        question = next(steps, None)
        while question is not None and summarize is not None:
            try:
                written: Written | ContextOverflow = summarize(question.prompt, question.prompt.tail)
            except ContextOverflow as error:
                written = error
            question = _step(steps, written)
        return self._since(before)

    async def reduce_async(self, summarize: SummarizeAsync | None = None) -> tuple[Event, ...]:
        """Do what ``reduce`` does, and wait for the summaries."""
        before = self.log.head
        steps = self._reductions(summarize is not None)
        question = next(steps, None)
        while question is not None and summarize is not None:
            try:
                written: Written | ContextOverflow = await summarize(question.prompt, question.prompt.tail)
            except ContextOverflow as error:
                written = error
            question = _step(steps, written)
        return self._since(before)

    def prompt(self) -> Prompt:
        """Give what the model is to read next.  Between reductions it begins with all of the one before."""
        self._demand_results()
        prompt = render(self.log, self.policy)
        broken = self._audit.check(self.log, self.policy, prompt)
        if broken and not isinstance(self.log.entries[-1].event, PrefixBroken):
            self._note(broken)
        self._asked = _Asked(prompt, self.log.head)
        return prompt

    def mask(self, *prefixes: str) -> Mask:
        """Give a mask: any tool or words; or a call of a tool whose name starts with one of ``prefixes``."""
        names = [spec.name for spec in self.policy.tools]
        return mask.family(names, *prefixes) if prefixes else Mask("auto", tuple(sorted(names)))

    def refusal(self, call: ToolCall) -> str | None:
        """Say why a call should not be run but answered with this: it holds a note where content should be."""
        return PLACEHOLDER if compact.holds_mark(call) else None

    # -- looking ---------------------------------------------------------------

    def restore(self, call_id: str) -> bytes:
        """Give the untouched original of what a call brought.  Raises ``StoreError`` if it is gone or damaged."""
        events = (event for event in self.log.newest_first() if isinstance(event, ToolReturned))
        seen = next((event.observation for event in events if event.call_id == call_id), None)
        if seen is None:
            raise ConfigError(f"There is no result of a call {call_id!r} in view.")
        if seen.blob is None:
            return b""
        path = _kept_at(seen, self._calls[call_id])
        content = seen.full.encode() if path is None else self.originals.read(path)
        if canonical.digest(content) != seen.blob:
            raise StoreError(f"The original of {call_id!r} at {path!r} is not what was kept there; it was changed.")
        return content

    def read(self, path: str, first: int = 1, lines: int = 200) -> str:
        """Give some lines of an original by the path that the model was shown: the whole of a retrieval tool.

        Record its result with ``whole=True``.  Raises ``StoreError`` if nothing is there.
        """
        shown = str(PurePosixPath(path))
        text = self.originals.read(shown).decode(errors="replace").split("\n")
        first = max(1, first)
        part = "\n".join(text[first - 1 : first - 1 + max(1, min(lines, LINES_MAX))])
        last = min(len(text), first - 1 + part.count("\n") + 1)
        cut = f"\n[cut after {SLICE_CHARS_MAX:,} characters]" if len(part) > SLICE_CHARS_MAX else ""
        return f"{shown} lines {first:,}-{last:,} of {len(text):,}\n{part[:SLICE_CHARS_MAX]}{cut}"

    def audit(self) -> tuple[CallAudit, ...]:
        """Give the account of every answer; the reason ``broken`` marks a prefix that moved unplanned."""
        return audit(self.log)

    @property
    def breaks(self) -> tuple[PrefixBroken, ...]:
        """The unplanned breaks: empty, unless something is wrong."""
        return tuple(event for event in self.log.events if isinstance(event, PrefixBroken))

    @property
    def usage(self) -> Spent:
        return self.log.spent

    @property
    def tokens(self) -> int:
        """An estimate of the next prompt's length, calibrated by what the provider counted."""
        return budget.context_tokens(self.log, self.policy)

    def save(self) -> bytes:
        """Give the whole record as lines of JSON."""
        return b"".join(codec.encode_line(entry) + b"\n" for entry in self._record)

    # -- the log ---------------------------------------------------------------

    def _note(self, event: Event) -> None:
        entry = Entry(self.log.head, max(self._now(), self.log.entries[-1].at), event)
        self._record.append(entry)
        self.log = self.log.followed_by(entry)

    def _since(self, head: int) -> tuple[Event, ...]:
        return tuple(entry.event for entry in self._record[head - self.log.head :]) if self.log.head > head else ()

    def _reductions(self, may_ask: bool) -> Generator[Question, Written | ContextOverflow, None]:
        """Apply what is due; hand out the questions for summaries."""
        self._demand_results()
        policy = self.policy if may_ask else replace(self.policy, rules=replace(self.policy.rules, summaries=False))
        while (due := schedule.due(self.log, policy)) is not None:
            if isinstance(due, ResultsCompacted):
                for path, content in reducing.written(self.log, due.arguments):
                    self.originals.keep(path, content)
                self._note(due)
                continue
            asked = reducing.question(self.log, self.policy, due)
            self.originals.keep(asked.path, asked.history)
            written = yield asked
            if isinstance(written, ContextOverflow):
                self._note(SummaryRejected((str(written),), Usage(), self.policy.model))
                continue
            text, usage = (written, Usage()) if isinstance(written, str) else written
            text = well_formed(text)
            named = reducing.named(text)
            missing = [path for path in named if not self.originals.has(path) and not summary.occurs(path, self.log)]
            model = self.policy.model
            self._note(reducing.judged(asked, self.log, self.policy, text, missing, usage=usage, model=model))

    def _named(self, call: ToolCall, index: int) -> ToolCall:
        if SAFE_ID.fullmatch(call.id) and call.id not in self._calls:
            return replace(call, tool=well_formed(call.tool), arguments=well_formed(call.arguments))
        id = f"c{self.log.head}" if index == 0 else f"c{self.log.head}_{index}"
        while id in self._calls:
            id += "_"
        return ToolCall(id, well_formed(call.tool), well_formed(call.arguments))

    def _demand_results(self) -> None:
        if self._open:
            raise ConfigError(f"These calls have no result yet: {', '.join(self._open)}; record one for each of them.")


Make: TypeAlias = Callable[[str, tuple[ToolSpec, ...]], Context]
"""Makes the context of a new conversation, given its system prompt and tools; ``begin`` is one."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The latest prompt that was handed out, and where the log ended then."""

    prompt: Prompt
    head: int


def _step(
    steps: Generator[Question, Written | ContextOverflow, None], written: Written | ContextOverflow
) -> Question | None:
    try:
        return steps.send(written)
    except StopIteration:
        return None


def _kept_at(seen: Observation, call: ToolCall) -> str | None:
    """Say where an original is kept: nowhere if what the model sees is all of it."""
    if seen.path is not None or seen.blob is None:
        return seen.path
    if canonical.digest(seen.full.encode()) == seen.blob:
        return None
    return f"{gate.RESULTS}/{call.id}-{_in_a_path(call).tool}.txt"  # short, and no UTF-8


def _in_a_path(call: ToolCall) -> ToolCall:
    """Give the call with a tool's name that can stand in a path, whatever the model wrote."""
    return replace(call, tool=re.sub(r"[^\w.-]", "_", call.tool)[:64])


def _label(call: ToolCall) -> str:
    """Say in a few words what was called with what."""
    return line(f"{call.tool} {call.arguments}", LABEL_CHARS_MAX)
