"""A session of any length for reports: the engine's own gate and schedule, with a cache that serves what is unchanged.

What happens is a function of the number of the call alone: large outputs, equal ones,
failures and their repair, previews that are opened, pauses longer than the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from workhand.core import gate, summary
from workhand.core.audit import Audit
from workhand.core.canonical import encode
from workhand.core.events import (
    Event,
    HistorySummarized,
    ModelAnswered,
    NoticeGiven,
    Phase,
    Plan,
    PlanChanged,
    PrefixBroken,
    Resumed,
    SessionStarted,
    Summary,
    SummaryRejected,
    ToolCall,
    ToolReturned,
    Usage,
    UserSaid,
)
from workhand.core.log import Log
from workhand.core.policy import Policy, Prices, ToolSpec, Window
from workhand.core.ports import Outcome
from workhand.core.prompt import Prompt
from workhand.core.render import render
from workhand.core.schedule import Summarize, due

TOOLS = tuple(
    ToolSpec(name, f"What {name} does, in a sentence or two. " * 6, '{"type":"object"}')
    for name in ("shell_run", "file_read", "file_write", "message_result", "plan_update")
)
POLICY = Policy(
    model="made:up",
    system_prompt="You are an agent that works until the task is done. " * 40,
    tools=TOOLS,
    prices=Prices(lifetime_s=300.0),
    window=Window(40_000, 36_000, 26_000),
)
BYTES_PER_TOKEN = 4
DOLLARS_PER_TOKEN = 3e-6


@dataclass(slots=True)
class Made:
    """A log that grows as a session would make it."""

    policy: Policy
    log: Log = field(init=False)
    clock: float = 1_000.0
    previous: tuple[bytes, ...] = ()
    audit: Audit = field(default_factory=Audit)

    def __post_init__(self) -> None:
        self.log = Log().then(SessionStarted(self.policy), self.clock)

    def note(self, event: Event, after_s: float = 1.0) -> None:
        self.clock += after_s
        self.log = self.log.then(event, self.clock)

    def ask(self, tool: str, arguments: dict[str, str], text: str = "", *, wait_s: float = 3.0) -> ToolCall:
        """Reduce if that is due, then answer with one call."""
        self.clock += wait_s
        while (next_due := due(self.log, self.policy)) is not None:
            self.note(self.summarized(next_due) if isinstance(next_due, Summarize) else next_due, 0.0)
        prompt = render(self.log, self.policy)
        call = ToolCall(f"c{self.log.head}", tool, encode(dict(arguments)).decode())
        usage = self.usage(prompt, len(text) + len(call.arguments) + 20, cold=wait_s > self.policy.prices.lifetime_s)
        self.previous = prompt.body
        self.note(ModelAnswered(text, (call,), usage, "made:up", prompt.size, self.audit.sent(prompt.body)), 0.0)
        return call

    def back(self, call: ToolCall, text: str, *, ok: bool = True, head: str = "") -> None:
        outcome = Outcome(head, f"{call.tool}: {text[:40]}", text.encode(), ok)
        self.note(ToolReturned(call.id, gate.admit(self.log, self.policy, call, outcome)))

    def usage(self, prompt: Prompt, said: int, *, cold: bool) -> Usage:
        shared = 0
        for old, new in zip(self.previous, prompt.body, strict=False):
            if old != new:
                break
            shared += len(new)
        tokens = prompt.size // BYTES_PER_TOKEN
        cached = 0 if cold else shared // BYTES_PER_TOKEN
        output = max(1, said // BYTES_PER_TOKEN)
        return Usage(tokens, cached, tokens - cached, output, cost_usd=tokens * DOLLARS_PER_TOKEN)

    def summarized(self, asked: Summarize) -> HistorySummarized:
        stand_in = Summary((), (), (), "what is known so far " * 60, (), (), (), ())
        tokens = render(self.log, self.policy).size // BYTES_PER_TOKEN
        usage = Usage(tokens + 200, tokens - 20, 220, 320, cost_usd=tokens * DOLLARS_PER_TOKEN / 5)
        kept = summary.carried(stand_in, self.log)
        return HistorySummarized(
            asked.until, kept, f".workhand/history/{self.log.head}.md", usage, "made:up", asked.why
        )


def session(calls: int, *, policy: Policy = POLICY, broken_at: int = 0) -> Log:
    """Make a session of so many calls."""
    made = Made(policy)
    made.note(UserSaid("Find out which of the services leaks connections, and mend it."))
    plan = Plan("Mend the leak.", (Phase("find it"), Phase("mend it"), Phase("check it")))
    made.note(PlanChanged(plan))
    opened: list[str] = []
    for number in range(1, calls):
        if broken_at and number == broken_at:
            made.previous = made.previous[:2]
            made.note(PrefixBroken(2, 17, "the piece was rendered differently than in the request before"), 0.0)
        step(made, number, opened)
    call = made.ask("message_result", {"text": "The pool was never closed; it is now."}, "Done.")
    made.back(call, "delivered")
    return made.log


def step(made: Made, number: int, opened: list[str]) -> None:
    """Make one call and what it brings."""
    wait_s = 900.0 if number % 47 == 31 else 4.0
    if wait_s > 300:
        made.note(Resumed(), 0.0)
    if number % 61 == 50:
        made.note(SummaryRejected(("The state is empty.",), Usage(900, 800, 100, 40, cost_usd=0.001), "made:up"), 0.0)
    if number % 53 == 20:
        made.note(NoticeGiven("Look up from the detail: does this still serve the goal?"))
    if number % 29 == 14:
        made.note(UserSaid(f"Also look at service {number}, please; it was slow yesterday."))
    newest = next((path for path in reversed(opened)), "")
    if number % 11 == 7 and newest:
        call = made.ask("file_read", {"path": newest}, wait_s=wait_s)
        made.back(call, lines(number, 30))
    elif number % 13 == 5:
        call = made.ask("shell_run", {"command": f"make check-{number}"}, wait_s=wait_s)
        made.back(call, f"Traceback: check {number} failed\n" + lines(number, 6), ok=False)
    elif number % 7 == 3:
        content = "\n".join(f"def part_{number}_{i}(): return {i}" for i in range(40))
        call = made.ask("file_write", {"path": f"src/part_{number}.py", "content": content}, "I write it down.")
        made.back(call, f"wrote {len(content)} bytes")
    elif number % 17 == 9:
        call = made.ask("shell_run", {"command": "git status"}, wait_s=wait_s)
        made.back(call, lines(0, 20))
    else:
        size = (4, 12, 30, 8, 90, 16, 260, 22)[number % 8]
        call = made.ask("shell_run", {"command": f"grep -rn leak services/{number}"}, wait_s=wait_s)
        made.back(call, lines(number, size))
    seen = made.log.latest(ToolReturned)
    if seen is not None and seen.observation.path:
        opened.append(seen.observation.path)


def lines(seed: int, count: int) -> str:
    return "\n".join(f"services/{seed}/pool.py:{i * 7 + seed}: connection {i} is opened and kept" for i in range(count))
