"""The steps of a reduction that every host of the engine takes.

``schedule`` says what is due.  Before a call is shown in compact form, or a
summary stands for entries, the host keeps files where these forms say that the
whole can be read; and a summary has to be asked for and judged.  What to keep,
what to ask and what comes of the answer is said here; keeping and asking is the
host's, since it waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from workhand.core import budget, compact, routing, summary
from workhand.core.events import HistorySummarized, ModelAnswered, SummaryRejected, Usage
from workhand.core.log import Log
from workhand.core.policy import Policy
from workhand.core.prompt import Prompt
from workhand.core.render import render
from workhand.core.schedule import Summarize
from workhand.core.transcript import transcript

HISTORY = ".workhand/history"


@dataclass(frozen=True, slots=True)
class Question:
    """What to keep, and then to ask, for a summary that is due."""

    due: Summarize
    path: str  # where the whole must be kept first
    history: bytes  # the whole
    prompt: Prompt  # what the model has just read, with the instruction as its tail


def written(log: Log, ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Give the files that must be kept before the arguments of these calls are shown in compact form."""
    answers = (event for event in log.events if ids and isinstance(event, ModelAnswered))
    for call in (call for answer in answers for call in answer.calls if call.id in ids):
        yield compact.path(call), compact.original(call)


def question(log: Log, policy: Policy, due: Summarize) -> Question:
    """Give the question for a summary; it says why the one before was not used, if that was what happened last."""
    earlier = log.latest(HistorySummarized)
    path = f"{HISTORY}/{log.head}.md"
    last = log.entries[-1].event
    reasons = last.reasons if isinstance(last, SummaryRejected) else ()
    instruction = summary.instruction(log, path, policy.rules.summary_tokens, reasons)
    whole = history(log, earlier.until if earlier else 0, due.until)
    model = routing.model_for(log, policy, "summarise")
    return Question(due, path, whole, replace(render(log, policy), tail=instruction, model=model))


def history(log: Log, since: int, until: int) -> bytes:
    """Write down the entries from one position up to another, as they stand behind a summary."""
    entries = (entry for entry in log.entries if since <= entry.position < until)
    return transcript(entries).encode(errors="replace")


def named(text: str) -> tuple[str, ...]:
    """Give the paths that an answer names, so that the host can look for them; none if it cannot be read."""
    stated = summary.read(text)
    return () if isinstance(stated, str) else summary.paths(stated)


def judged(
    asked: Question, log: Log, policy: Policy, text: str, missing: Collection[str], *, usage: Usage, model: str
) -> HistorySummarized | SummaryRejected:
    """Say what comes of an answer, given which of its paths do not exist."""
    stated = summary.read(text)
    if isinstance(stated, str):
        return SummaryRejected((stated,), usage, model)
    tokens = round(len(text.encode(errors="replace")) / budget.bytes_per_token(log))
    if faults := summary.faults(stated, log, missing, tokens, 2 * policy.rules.summary_tokens):
        return SummaryRejected(faults, usage, model)
    due = asked.due
    return HistorySummarized(due.until, summary.carried(stated, log), asked.path, usage, model, due.why)
