"""Whole sessions, played by ``decide`` against a world that Hypothesis chooses.

A ``Turn`` is what the world does at one question: what others have left in the
inbox, what the model answers, and how the call goes.  ``play`` takes the
session through its turns; there is no runtime, no store and no clock in it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from hypothesis import strategies as st

from tests.core.playbook import PLAN_ARGUMENTS, POLICY, TOOLS
from workhand.core import saved
from workhand.core.canonical import digest
from workhand.core.consent.asking import waiting
from workhand.core.consent.rules import Rule
from workhand.core.decide import AskModel, Finished, Record, RunTool, WaitForUser, decide
from workhand.core.events import (
    ActForeseen,
    ApprovalGiven,
    Event,
    FilesNotSaved,
    FilesSaved,
    GivenBack,
    Goal,
    GuardChanged,
    HistorySummarized,
    HostContacted,
    LimitsChanged,
    ModelAnswered,
    ModelFailed,
    Observation,
    Paused,
    ResultsCompacted,
    Resumed,
    Rewound,
    SandboxOpened,
    SessionEnded,
    SessionStarted,
    Summary,
    TakenOver,
    ToolCall,
    ToolReturned,
    ToolStarted,
    Usage,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.mask import Mask
from workhand.core.policy import Approvals, Choice, Guard, Limits, Policy, Prices, Route, Window
from workhand.core.prompt import Prompt
from workhand.core.render import render
from workhand.core.routing import in_force
from workhand.core.schedule import Summarize
from workhand.core.summary import carried, open_goals

Answer: TypeAlias = Literal["call", "text", "MalformedAnswer", "ContextOverflow", "ModelUnavailable"]

NAMES = (*(spec.name for spec in TOOLS), "no_such_tool")
REDUCTIONS = (ResultsCompacted, HistorySummarized, Rewound)


@dataclass(frozen=True, slots=True)
class Turn:
    inbox: tuple[Event, ...] = ()
    rewind: float | None = None  # to this share of the log, before anything else
    answer: Answer = "call"
    tool: int = 0
    obeys: bool = True  # the mask
    number: int = 0  # in the arguments: the same ones make the same call
    size: int = 10
    ok: bool = True
    interruptions: int = 0
    opens: bool = False  # a machine


@dataclass(frozen=True, slots=True)
class Asked:
    log: Log
    mask: Mask
    prompt: Prompt


@dataclass(slots=True)
class Course:
    """What came of a session: its log after every event, and every question that was asked."""

    turns: tuple[Turn, ...] = ()
    logs: list[Log] = field(default_factory=list, init=False, repr=False)
    record: list[Entry] = field(default_factory=list, init=False, repr=False)
    asked: list[Asked] = field(default_factory=list, init=False, repr=False)

    @property
    def log(self) -> Log:
        return self.logs[-1]

    def add(self, *events: Event) -> None:
        for event in events:
            self.logs.append((self.logs[-1] if self.logs else Log()).then(event, float(len(self.logs))))
            self.record.append(self.log.entries[-1])


def play(policy: Policy, turns: tuple[Turn, ...], *, after: Course | None = None) -> Course:
    """Play a session from its start, or from where another one is, until the turns are used up."""
    course = after or Course(turns)
    if not course.logs:
        course.add(SessionStarted(policy))
    left = deque(turns)
    turn = Turn()
    while True:
        policy = in_force(course.log, course.log.policy)
        match decide(course.log, policy):
            case Record(events):
                course.add(*events)
            case RunTool(call, attempt):
                course.add(*_ran(call, attempt, turn))
            case Summarize() as due:
                course.add(_summarized(due, course.log))
            case _ if not left:
                return course
            case AskModel(mask):
                turn = left.popleft()
                if from_outside := _from_outside(turn, course.log):
                    course.add(*from_outside)
                    left.appendleft(replace(turn, inbox=(), rewind=None))
                else:
                    course.asked.append(Asked(course.log, mask, render(course.log, policy)))
                    if saved.is_due(course.log):  # while the model is asked
                        course.add(SAVED if turn.ok else FilesNotSaved("The disk is full."))
                    course.add(_answer(turn, mask, course))
            case WaitForUser() | Finished():
                turn = left.popleft()
                course.add(*(_from_outside(turn, course.log) or _answered(turn, course.log)))


def _from_outside(turn: Turn, log: Log) -> tuple[Event, ...]:
    rewound = () if turn.rewind is None else (Rewound(max(1, int(turn.rewind * log.head))),)
    return (*rewound, *turn.inbox)


def _answered(turn: Turn, log: Log) -> tuple[Event, ...]:
    """Answer what the session waits for: a question that it asked, or what it is to do."""
    question = waiting(log)
    if question is None:
        return (UserSaid("Go on."),)
    return (ApprovalGiven(question.id, "once" if turn.obeys else "no", question.rule, question.subject),)


def _answer(turn: Turn, mask: Mask, course: Course) -> Event:
    if turn.answer not in ("call", "text"):
        return ModelFailed(turn.answer, "It failed.")
    prompt = course.asked[-1].prompt
    names = mask.tools if turn.obeys else NAMES
    tool = names[turn.tool % len(names)]
    arguments = PLAN_ARGUMENTS if tool == "plan_update" and turn.number else f'{{"number":{turn.number}}}'
    calls = (ToolCall(f"c{course.log.head}", tool, arguments),) if turn.answer == "call" else ()
    usage = Usage(input_tokens=prompt.size // 4, output_tokens=10, cost_usd=0.01)
    return ModelAnswered("Let me see.", calls, usage, "played", prompt.size, "")


def _ran(call: ToolCall, attempt: int, turn: Turn) -> tuple[Event, ...]:
    opened = (SandboxOpened("unsafe", "none", "none"),) if turn.opens else ()
    if attempt <= turn.interruptions:
        return ToolStarted(call.id, attempt), *opened
    path = f"results/{call.id}.txt"
    full = original(call.id, turn.size)
    observation = Observation(full, f"all in {path}", turn.ok, digest(full.encode()), path)
    beside = (*opened, REFUSED) if turn.number == 1 else opened
    return ToolStarted(call.id, attempt), *beside, ToolReturned(call.id, observation)


def _summarized(due: Summarize, log: Log) -> Event:
    goals = tuple(Goal(text) for text in open_goals(log))
    stated = Summary(goals, (), (), f"Up to {due.until}.", (), (), (), ())
    return HistorySummarized(due.until, carried(stated, log), f"history/{log.head}.md", Usage(), "played", due.why)


def original(id: str, size: int) -> str:
    return f"what {id} brought: ".ljust(size, "x")


SAVED = FilesSaved("a", 1, 10)
REFUSED = HostContacted("a.example", 443, "refused", "first-contact", "It is new.", "GET /", asks=True)
ASKING = Guard(approvals=Approvals((Rule("ask", "ask", ("shell_*",)), Rule("never", "deny", ("file_write",)))))
SAID = st.sampled_from(["Go.", "Und jetzt?", "\N{GRINNING FACE}\n[notice] \N{NULL}", '{"role":"system"}']).map(UserSaid)
FROM_OUTSIDE: st.SearchStrategy[Event] = st.one_of(
    SAID,
    st.just(Paused()),
    st.just(Resumed()),
    st.just(SessionEnded("cancelled")),
    st.just(TakenOver()),
    st.just(ActForeseen("c5", "pay", "click button 'Pay' at a.example", "a.example", named=True)),
    st.just(GivenBack("$ ls", 2.0)),
    st.just(TakenOver(where="browser")),
    st.just(GivenBack("", 2.0, where="browser")),
    st.sampled_from([ASKING, replace(ASKING, approvals=replace(ASKING.approvals, asked="deny"))]).map(GuardChanged),
    st.builds(LimitsChanged, st.builds(Limits, steps=st.integers(1, 60))),
)
INBOXES = st.lists(FROM_OUTSIDE, min_size=1, max_size=2).map(tuple)
REWINDS = {9: 0.1, 10: 0.7, 11: 0.95}


def turns(*, rewinds: bool = False, size_min: int = 8, size_max: int = 40) -> st.SearchStrategy[tuple[Turn, ...]]:
    """Draw what happens in a session; most answers are calls that the mask allows."""
    mostly = st.sampled_from([True, True, True, False])
    answers: st.SearchStrategy[Answer] = st.sampled_from(
        ("call",) * 12 + ("text", "MalformedAnswer", "ContextOverflow", "ModelUnavailable")
    )
    turn = st.builds(
        Turn,
        inbox=st.integers(0, 7).flatmap(lambda drawn: INBOXES if drawn == 7 else st.just(())),
        rewind=st.integers(0, 11).map(REWINDS.get) if rewinds else st.none(),
        answer=answers,
        tool=st.integers(0, 20),
        obeys=mostly,
        number=st.integers(0, 3),
        size=st.sampled_from([100, 1_000, 2_000, 3_000]),
        ok=mostly,
        interruptions=st.sampled_from([0, 0, 0, 0, 1, 3]),
        opens=st.booleans(),
    )
    first = Turn(inbox=(UserSaid("Write a report."),), number=1)
    return st.lists(turn, min_size=size_min, max_size=size_max).map(lambda drawn: (first, *drawn))


SMALLER = Choice("scripted:two", Window(4_000, 4_000, 900), Prices(read=0.5, write=1.0))
ROUTES = (
    Route("act", (Choice(POLICY.model), SMALLER)),
    Route("summarise", (Choice("scripted:three"), Choice("scripted:four"))),
)
POLICIES = st.builds(
    replace,
    st.just(POLICY),
    window=st.sampled_from([Window(4_000, 4_000, 1_000), Window(4_000, 4_000, 2_500), Window(50_000, 50_000, 3_000)]),
    limits=st.builds(Limits, steps=st.sampled_from([None, None, None, 12])),
    keep_full_results=st.integers(0, 4),
    answer_tokens_max=st.just(200),
    recite_after_calls=st.integers(0, 3),
    routes=st.sampled_from([(), ROUTES]),
)
COURSES = st.tuples(POLICIES, turns()).map(lambda drawn: play(*drawn))
COURSES_WITH_REWINDS = st.tuples(POLICIES, turns(rewinds=True)).map(lambda drawn: play(*drawn))
