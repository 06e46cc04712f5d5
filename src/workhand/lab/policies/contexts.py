"""What a replay asks of a policy, and the two that every comparison needs: append-only, and Workhand's own.

Workhand's is no model of the engine but the engine: parts of a trace become
events of a real log, results pass the real gate, reductions are those that
``schedule`` decides on, and requests are what ``render`` gives.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from workhand.core import compact, gate, schedule, summary
from workhand.core.body import form_of, reductions_of
from workhand.core.events import (
    Event,
    HistorySummarized,
    ModelAnswered,
    Observation,
    ResultsCompacted,
    Resumed,
    SessionStarted,
    Summary,
    ToolCall,
    ToolReturned,
    Usage,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.policy import Policy
from workhand.core.ports import Outcome
from workhand.core.render import render
from workhand.core.schedule import Summarize
from workhand.lab.policies.handles import Handles
from workhand.lab.request import Block, Request
from workhand.lab.texts import Texts
from workhand.lab.trace import Answer, Part, Returned, Said

ASK_TOKENS = 200  # of the instruction that asks for a summary
SUMMARY_TOKENS = 1_500  # of a summary, where no policy says otherwise


def stand_in(tokens: int) -> str:
    """Give a summary of the expected length that holds no identifier: what it would say is not known."""
    return " the" * tokens


@dataclass(slots=True)
class Removed:
    """What a policy took out of the context, in tokens, and how much of that a handle gives back."""

    tokens: int = 0
    restorable: int = 0
    events: int = 0


class Context(Protocol):
    """A policy at work on one session."""

    removed: Removed

    def take(self, part: Part, *, whole: bool = False) -> None:
        """Take what was said, answered or returned; ``whole``: it was read back and stays as it is."""
        ...

    def requests(self, *, cold: bool) -> tuple[Request, ...]:
        """Give what is sent to ask the model now: reductions' own requests, if any, then the real one."""
        ...

    def points_to(self, part: Returned) -> bool:
        """Say whether what is shown now leads back to a result that is not shown."""
        ...


Begin: TypeAlias = Callable[[Texts, Block], Context]
"""Makes a policy's context for one session, given its texts and the fixed prefix."""


class AppendOnly:
    """Never reduces anything."""

    def __init__(self, texts: Texts, prefix: Block) -> None:
        self.removed = Removed()
        self._texts = texts
        self._blocks = [prefix]

    def take(self, part: Part, *, whole: bool = False) -> None:
        self._blocks += self._texts.of(part)

    def requests(self, *, cold: bool) -> tuple[Request, ...]:
        newest = len(self._blocks) - 1
        return (Request(tuple(self._blocks), (0, max(0, newest - 16), newest), cold=cold),)

    def points_to(self, part: Returned) -> bool:
        return False


class Workhand:
    """The engine itself, under a policy."""

    def __init__(self, texts: Texts, prefix: Block, policy: Policy) -> None:
        self.removed = Removed()
        self.policy = policy
        self.log = Log().then(SessionStarted(policy))
        self._texts = texts
        self._prefix = prefix
        self._pieces: dict[bytes, tuple[Block, ...]] = {}
        self._sent_tokens = 0
        self._prompt_bytes = 0
        self._clock = 0.0
        self._tools: dict[str, str] = {}
        self._paths: dict[str, str] = {}
        self._positions: dict[str, int] = {}
        self._handles = Handles()
        self._open: list[str] = []  # calls whose results have not come

    def take(self, part: Part, *, whole: bool = False) -> None:
        match part:
            case Said(_, text):
                self._close()
                self._note(UserSaid(text))
            case Answer(text, calls):
                made = tuple(ToolCall(each.id, each.tool, "{}" if each.in_text else each.arguments) for each in calls)
                self._tools.update((each.id, each.tool) for each in calls)
                usage = Usage(input_tokens=self._sent_tokens)
                self._open += [each.id for each in calls]
                self._note(ModelAnswered(text, made, usage, "recorded", self._prompt_bytes, ""))
            case Returned(call, text, ok):
                asked = ToolCall(call, self._tools.get(call, "tool"), "{}")
                outcome = Outcome("", asked.tool, text.encode(errors="replace"), ok, as_is=whole)
                admitted = gate.admit(self.log, self.policy, asked, outcome)
                self._open = [id for id in self._open if id != call]
                if admitted.path is not None:
                    self._paths[call] = admitted.path
                self._handles.result(call, outcome.original.decode(), admitted.path)
                if admitted.form != "whole":
                    self._left_out(call, text, admitted)
                self._note(ToolReturned(call, admitted))

    def requests(self, *, cold: bool) -> tuple[Request, ...]:
        if cold:
            self._clock += 2 * self.policy.prices.lifetime_s
            self._note(Resumed())
        sent = []
        while (due := schedule.due(self.log, self.policy)) is not None:
            before = self._request(cold=cold)
            if isinstance(due, Summarize):
                output = self._texts.count(stand_in(self.policy.rules.summary_tokens))
                sent.append(replace(before, tail_tokens=ASK_TOKENS, output_tokens=output))
                self._note(self._summarized(due))
                cold = False
            else:
                self._compact(due)
            self.removed.events += 1
        request = self._request(cold=cold)
        self._sent_tokens = sum(block.tokens for block in request.blocks)
        return (*sent, request)

    def points_to(self, part: Returned) -> bool:
        path = self._paths.get(part.call)
        if path is not None and any(path.encode() in piece for piece in render(self.log, self.policy).body):
            return True
        summarized = self.log.latest(HistorySummarized)
        return summarized is not None and self._positions[part.call] < summarized.until

    def _close(self) -> None:
        """End calls of which no result was recorded: while one is open, the engine holds back what the user says."""
        for id in self._open:
            self._handles.result(id, "", None)
            self._note(ToolReturned(id, Observation("", ""), "unknown"))
        self._open = []

    def _note(self, event: Event) -> None:
        self._clock += 1.0
        self.log = self.log.then(event, self._clock)
        if isinstance(event, ToolReturned):
            self._positions[event.call_id] = self.log.head - 1

    def _request(self, *, cold: bool) -> Request:
        prompt = render(self.log, self.policy)
        self._prompt_bytes = prompt.size
        blocks = [self._prefix]
        ends = {1: 0}  # from the index of a piece to that of its last block
        for index, piece in enumerate(prompt.body[2:], 2):
            known = self._pieces.get(piece)
            if known is None:
                known = self._pieces[piece] = tuple(map(self._texts.block, _texts_of(piece)))
            blocks += known
            ends[index] = len(blocks) - 1
        return Request(tuple(blocks), tuple(ends[index] for index in prompt.breakpoints), cold=cold)

    def _summarized(self, due: Summarize) -> HistorySummarized:
        unknown = Summary((), (), (), stand_in(self.policy.rules.summary_tokens), (), (), (), ())
        path = f".workhand/history/{self.log.head}.md"
        earlier = self.log.latest(HistorySummarized)
        since = earlier.until if earlier else 0
        gone = [entry for entry in self.log.entries if since <= entry.position < due.until]
        self._handles.history(path, gone)
        for entry in gone:
            self._took_out(self._tokens(entry), restorable=self._handles.history_gives(path, entry))
        return HistorySummarized(due.until, summary.carried(unknown, self.log), path, Usage(), "recorded", due.why)

    def _left_out(self, call: str, text: str, admitted: Observation) -> None:
        """Count what a preview or a pointer leaves out of a result."""
        left_out = self._texts.block(text).tokens - self._texts.block(admitted.full).tokens
        self._took_out(left_out, restorable=self._handles.gives_result(admitted.full, call))

    def _compact(self, due: ResultsCompacted) -> None:
        """Show results and calls in compact form, and count what that leaves out."""
        touched = {*due.call_ids, *due.arguments}
        entries = [entry for entry in self.log.entries if _calls_of(entry.event) & touched]
        before = [self._tokens(entry) for entry in entries]
        calls = {
            call.id: call for entry in entries if isinstance(entry.event, ModelAnswered) for call in entry.event.calls
        }
        self._handles.calls(calls[id] for id in due.arguments)
        self._note(due)
        self._request(cold=False)  # so that what is shown is known
        for entry, tokens in zip(entries, before, strict=True):
            match entry.event:
                case ToolReturned(call, seen) if call in due.call_ids:
                    self._took_out(
                        tokens - self._tokens(entry), restorable=self._handles.gives_result(seen.compact, call)
                    )
                case ModelAnswered(_, made):
                    cut = [call for call in made if call.id in due.arguments]
                    found = all(self._handles.give_back(compact.arguments(call), call.arguments) for call in cut)
                    self._took_out(tokens - self._tokens(entry), restorable=found)

    def _took_out(self, tokens: int, *, restorable: bool) -> None:
        self.removed.tokens += tokens
        self.removed.restorable += tokens if restorable else 0

    def _tokens(self, entry: Entry) -> int:
        """Give the tokens of an entry in the form in which it is shown now."""
        form = form_of(entry.event, reductions_of(self.log), self.policy)
        piece = entry.pieces.get(form)
        return sum(block.tokens for block in self._pieces[piece]) if piece is not None else 0


def _calls_of(event: Event) -> set[str]:
    match event:
        case ModelAnswered(_, calls):
            return {call.id for call in calls}
        case ToolReturned(call):
            return {call}
    return set()


def _texts_of(piece: bytes) -> Iterator[str]:
    """Give the texts of a piece as blocks on the wire: an answer's words and each of its calls stand apart."""
    block = json.loads(piece)
    if block["text"] or not block.get("calls"):
        yield block["text"]
    for call in block.get("calls", ()):
        yield f"{call['tool']}\n{'' if call['arguments'] == '{}' else call['arguments']}"
