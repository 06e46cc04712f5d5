"""Measure what the context engine itself costs a call: gate, decide, render, audit, and the bytes of the request.

A session grows to so many tokens of context, and then goes on: each step brings a
new result through the gate, asks what is due, renders the prompt, audits it, and
encodes the request as the client would send it.  Times are of the processor.
The second table has the same at other lengths: what is new is what costs.

    python bench/engine.py [--tokens 100000] [--steps 200] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from statistics import median

from workhand.agents import executor
from workhand.core import gate
from workhand.core.audit import Audit
from workhand.core.decide import decide
from workhand.core.events import (
    ModelAnswered,
    Observation,
    Phase,
    Plan,
    PlanChanged,
    SessionStarted,
    ToolCall,
    ToolReturned,
    ToolStarted,
    Usage,
    UserSaid,
)
from workhand.core.log import Log
from workhand.core.mask import everything
from workhand.core.policy import Limits, Policy, Rules
from workhand.core.ports import Outcome
from workhand.core.render import render
from workhand.models.wire.dialect import Server
from workhand.models.wire.openai_chat import OpenAIChat

RESULT = b"".join(b"%06d what was found, and where it was found\n" % number for number in range(60))
LARGE = b"".join(b"item-%06d,%d,ready\n" % (number, number * 7919) for number in range(4_000))
ENDLESS = 10_000_000  # a window in which nothing is reduced
DIALECT = OpenAIChat(Server("openai-chat", "https://example.org/v1", "some-model"), "native")


@dataclass(frozen=True, slots=True)
class Result:
    tokens: int  # of context, at four bytes a token
    calls: int
    gate_ms: float  # medians of a step
    gate_large_ms: float  # of a result of 90 kB, which enters as a preview
    decide_ms: float
    render_ms: float
    audit_ms: float
    engine_ms: float  # all of these
    encode_ms: float  # the bytes of the request
    with_client_ms: float


def policy() -> Policy:
    rules = Rules(rent_or_buy=False, summaries=False, repeats=True)
    chosen = executor.policy("openai-chat:x", seed="bench", window_tokens=ENDLESS, limits=Limits(steps=None))
    return replace(chosen, rules=rules)


def grown(chosen: Policy, tokens: int) -> tuple[Log, int]:
    """Give a session whose prompt has so many tokens, and how many calls it made."""
    log = Log().then(SessionStarted(chosen)).then(UserSaid("Write a report."))
    plan = ToolCall("p", "plan_update", "{}")
    log = log.then(ModelAnswered("", (plan,), Usage(2_000), "m", 8_000, "")).then(PlanChanged(Plan("a", (Phase("b"),))))
    log = log.then(ToolReturned("p", Observation("ok", "ok")))
    calls = 0
    while render(log, chosen).size < 4 * tokens:
        log = stepped(log, chosen, calls, RESULT)
        calls += 1
    return log, calls


def stepped(log: Log, chosen: Policy, number: int, content: bytes) -> Log:
    call = ToolCall(f"c{number}", "shell_run", json.dumps({"command": f"run {number}"}))
    size = render(log, chosen).size
    seen = gate.admit(log, chosen, call, Outcome("exit 0", f"shell_run run {number}", content + b"%d" % number))
    answer = ModelAnswered("Going on.", (call,), Usage(size // 4, output_tokens=30), "m", size, "")
    return log.then(answer, float(number)).then(ToolStarted(call.id)).then(ToolReturned(call.id, seen), float(number))


def measure(tokens: int, steps: int) -> Result:
    chosen = policy()
    log, calls = grown(chosen, tokens)
    mask = everything(spec.name for spec in chosen.tools)
    audit = Audit()
    audit.sent(render(log, chosen).body)
    DIALECT.request(render(log, chosen), mask, session="s")
    times: dict[str, list[float]] = {name: [] for name in ("gate", "large", "decide", "render", "audit", "encode")}
    for number in range(calls, calls + steps):
        call = ToolCall(f"c{number}", "shell_run", json.dumps({"command": f"run {number}"}))
        answer = ModelAnswered("On.", (call,), Usage(tokens), "m", 4 * tokens, "")
        log = log.then(answer, float(number)).then(ToolStarted(call.id), float(number))
        began = time.thread_time()
        gate.admit(log, chosen, call, Outcome("exit 0", f"run {number}", LARGE + b"%d" % number))
        gated = time.thread_time()
        seen = gate.admit(log, chosen, call, Outcome("exit 0", f"run {number}", RESULT + b"%d" % number))
        admitted = time.thread_time()
        log = log.then(ToolReturned(call.id, seen), float(number))
        decided = time.thread_time()
        decide(log, chosen)
        rendering = time.thread_time()
        prompt = render(log, chosen)
        rendered = time.thread_time()
        assert audit.check(log, chosen, prompt) is None
        audit.sent(prompt.body)
        audited = time.thread_time()
        DIALECT.request(prompt, mask, session="s")
        encoded = time.thread_time()
        before = (gated - began, admitted - gated, rendering - decided, rendered - rendering)
        spans = (*before, audited - rendered, encoded - audited)
        for name, span in zip(("large", "gate", "decide", "render", "audit", "encode"), spans, strict=True):
            times[name].append(1_000 * span)
    found = {name: median(values) for name, values in times.items()}
    engine = found["gate"] + found["decide"] + found["render"] + found["audit"]
    figures = (found["gate"], found["large"], found["decide"], found["render"], found["audit"], engine)
    rest = (found["encode"], engine + found["encode"])
    return Result(tokens, calls, *(round(figure, 3) for figure in (*figures, *rest)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=100_000, help="of context (100000)")
    parser.add_argument("--steps", type=int, default=200, help="that are measured (200)")
    parser.add_argument("--json", action="store_true", help="print one object of JSON a length")
    options = parser.parse_args()
    for tokens in (options.tokens, options.tokens // 4, options.tokens * 2):
        result = asdict(measure(tokens, options.steps))
        if options.json:
            print(json.dumps(result))
        else:
            print("  ".join(f"{name} {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
