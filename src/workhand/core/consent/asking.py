"""Whether a person must be asked, read from the log.

A call is judged before it runs.  What a machine tries to reach is judged by the proxy while a call
runs; where a person could allow what was refused, they are asked once the call is over, and the model
is told what they said.  Waiting for an answer is a session at rest: it costs nothing.
"""

from __future__ import annotations

from workhand.core.consent.action import SENDS, action_of
from workhand.core.consent.judge import Judgement, judge
from workhand.core.consent.rules import Answer
from workhand.core.events import (
    ActForeseen,
    ApprovalAsked,
    ApprovalGiven,
    HostContacted,
    ModelAnswered,
    NoticeGiven,
    SessionEnded,
    ToolCall,
    ToolReturned,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.policy import Policy

ACT = "browser_act"  # the function that acts on a page
HOSTS_MAX = 3  # that are asked for after one action; the rest is asked for when it is tried again


def of_call(call: ToolCall, log: Log, policy: Policy) -> Judgement:
    """Judge a call by the session's rules and the answers that hold in it."""
    approvals = policy.guard.approvals
    return judge(action_of(call, foreseen(call, log)), approvals.rules, answers(log, policy), approvals.trust_after)


def foreseen(call: ToolCall, log: Log) -> ActForeseen | None:
    """Give what was found out about a call that acts on a page."""
    found = log.latest(ActForeseen)
    return found if found is not None and found.call_id == call.id else None


def answers(log: Log, policy: Policy) -> tuple[Answer, ...]:
    """Give the answers that hold: those for every session, and those that were given in this one."""
    given = log.fold(_Given, _Given)
    answer = log.latest(ModelAnswered)
    acting = answer is not None and any(call.tool == ACT for call in answer.calls)
    return (*policy.guard.approvals.answers, *given.here, *given.now, *(given.acts if acting else ()))


def answer_to(asked: str, log: Log) -> ApprovalAsked | ApprovalGiven | None:
    """Give the answer to a question, or the question while it waits for one, or nothing if it was not asked.

    Words instead of an answer are a no.
    """
    question: ApprovalAsked | None = None
    for event in log.since(ModelAnswered):
        match event:
            case ApprovalAsked(id=found) if found == asked:
                question = event
            case ApprovalGiven(id=found) if found == asked:
                return event
            case UserSaid() | SessionEnded() if question is not None:
                return ApprovalGiven(asked, "no", question.rule, question.subject)
    return question


def waiting(log: Log) -> ApprovalAsked | None:
    """Give the question that waits for an answer."""
    question = log.latest(ApprovalAsked)
    found = answer_to(question.id, log) if question is not None else None
    return found if isinstance(found, ApprovalAsked) else None


def question(asked: str, judged: Judgement, what: str) -> ApprovalAsked:
    return ApprovalAsked(asked, what, judged.rule, judged.subject, judged.why, lasting=not judged.irreversible)


def refused_hosts(log: Log) -> tuple[tuple[str, HostContacted], ...]:
    """Give what the last action was refused and a person could allow, with the names of the questions."""
    position = log.entries[log.index(ModelAnswered)].position if ModelAnswered in log.last else 0
    found = {event.host: event for event in log.since(ModelAnswered) if isinstance(event, HostContacted) and event.asks}
    return tuple((f"h{position}:{host}", event) for host, event in list(found.items())[:HOSTS_MAX])


def host_question(asked: str, contact: HostContacted) -> ApprovalAsked:
    return ApprovalAsked(
        asked,
        f"{contact.what} at {contact.host}".strip(),
        contact.rule,
        contact.host,
        contact.reason,
        lasting=not contact.irreversible,
    )


def host_notice(given: ApprovalGiven) -> NoticeGiven:
    """Tell the model what a person said of a host."""
    if given.answer == "no":
        return NoticeGiven(f"The user does not allow requests to {given.subject}: go on without it.")
    return NoticeGiven(f"The user allows requests to {given.subject}: what was refused can be done again.")


class _Given:
    """The answers in a log, as far as it has been read.

    A host that is allowed once is allowed until the next action is over.  An act on a page that is allowed once is
    allowed until one that sends something has been done: its page may have been gone when the answer came.
    """

    def __init__(self) -> None:
        self.here: list[Answer] = []
        self.now: list[Answer] = []
        self.acts: list[Answer] = []
        self._act = ""  # the call that acts on a page
        self._sends = False

    def take(self, entry: Entry) -> None:
        match entry.event:
            case ToolReturned(call_id, how="ran"):
                self.now.clear()
                if call_id == self._act and self._sends:
                    self.acts.clear()
            case ActForeseen(call_id, intent):
                self._act, self._sends = call_id, intent in SENDS
            case ApprovalGiven(asked, answer, rule, subject, by="user"):
                scope = answer if answer in ("session", "always") else "once"
                self.here.append(Answer(rule, subject, scope, allowed=answer != "no"))
                for held in (self.now, self.acts):
                    held[:] = [each for each in held if (each.rule, each.subject) != (rule, subject)]
                if answer == "once" and asked == self._act:
                    self.acts.append(Answer(rule, subject, "now"))
                elif answer == "once" and asked.startswith("h"):
                    self.now.append(Answer(rule, subject, "now"))
