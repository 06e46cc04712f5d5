"""A recorded session as an instance for the hindsight optimum.

A result's full size is that of its text alone, which no request can go below, and
its compact size that of our own pointer.
A session that the recorded agent cleared is several instances, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from workhand.core.compaction import candidate
from workhand.core.events import ToolCall, ToolReturned
from workhand.core.gate import as_brought
from workhand.core.ports import Outcome
from workhand.lab.hindsight.compactions import Instance, Result, Step
from workhand.lab.replay import Terms
from workhand.lab.texts import Texts, texts_of
from workhand.lab.trace import Answer, Part, Returned, Said, Trace

KEEP = 3  # the newest results that are always full


def instance_of(trace: Trace, texts: Texts, terms: Terms) -> Iterator[Instance]:
    """Give the instances of a trace: one, unless the recorded agent dropped its context."""
    run: list[Part] = []
    call = 0
    for part in trace.parts:
        if isinstance(part, Said) and part.resets and run:
            yield _instance(run, call, texts, terms)
            call += sum(isinstance(each, Answer) for each in run)
            run = []
        run.append(part)
    yield _instance(run, call, texts, terms)


def _instance(parts: list[Part], first_call: int, texts: Texts, terms: Terms) -> Instance:
    steps: list[Step] = []
    tools: dict[str, str] = {}
    answer: Answer | None = None
    results: list[Result] = []
    before = waiting = 0  # tokens said before the answer at hand, and before the next one
    for part in (*parts, Answer("")):  # the last one only ends the step before it
        match part:
            case Answer(_, calls):
                if answer is not None:
                    cold = first_call + len(steps) in terms.cold
                    steps.append(Step(_output(answer, texts), tuple(results), before, cold=cold))
                wire = sum(block.tokens for block in texts.of(part)) - _output(part, texts)
                answer, results, before, waiting = part, [], waiting, wire  # its wire form is read, but not written
                tools.update((call.id, call.tool) for call in calls)
            case Returned(call):
                results.append(_result(part, tools.get(call, "tool"), texts))
            case Said(_, text):
                waiting += texts.block(text).tokens
    return Instance(tuple(steps), terms.prices, terms.prefix_tokens, KEEP)


def _output(answer: Answer, texts: Texts) -> int:
    return sum(texts.count(text) for text in texts_of(answer))


def _result(part: Returned, tool: str, texts: Texts) -> Result:
    """Give the sizes of a result's two forms; what is never compacted has only one."""
    outcome = Outcome("", tool, part.text.encode(errors="replace"), part.ok)
    seen = as_brought(ToolCall(part.call, tool, "{}"), outcome)
    full = texts.block(part.text).tokens
    stale = candidate(None, ToolReturned(part.call, seen))
    return Result(full, min(full, texts.block(f"[compacted] {seen.compact}").tokens) if stale else full)
