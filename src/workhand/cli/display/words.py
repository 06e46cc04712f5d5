"""How events read to a person: one line each, the same in every view."""

from __future__ import annotations

from datetime import UTC, datetime

from workhand.core import excerpt
from workhand.core.calls import stated, telling
from workhand.core.events import (
    ActForeseen,
    ApprovalAsked,
    ApprovalGiven,
    Event,
    FilesNotSaved,
    FilesSaved,
    Forked,
    GivenBack,
    GuardChanged,
    HistorySummarized,
    HostContacted,
    LimitHit,
    LimitsChanged,
    ModelAnswered,
    ModelFailed,
    ModelRetried,
    ModelSwitched,
    NoticeGiven,
    Paused,
    Plan,
    PlanChanged,
    PrefixBroken,
    PricesChanged,
    Published,
    ResultsCompacted,
    Resumed,
    Rewound,
    SandboxOpened,
    SessionEnded,
    SessionStarted,
    SummaryRejected,
    TakenOver,
    ToolCall,
    ToolReturned,
    ToolStarted,
    UserSaid,
)

LINE_CHARS = 100
CONTROLS = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
HARMLESS = {code: 0x2400 + code if code < 0x20 else 0xFFFD for code in CONTROLS if chr(code) not in "\n\t"}
WHYS = {
    "rent": "keeping it had cost enough",
    "cold": "the cache had expired",
    "trigger": "the context was long",
    "cliff": "before a higher price",
    "overflow": "the prompt did not fit",
}


def line(event: Event) -> str:
    """Say in one line what happened."""
    match event:
        case ModelAnswered(text, calls):
            return call_line(calls[0]) if calls else short(text) or "(an empty answer)"
        case ToolReturned(_, observation, how):
            first, *rest = observation.full.splitlines() or [""]
            more = f" (+ {len(rest):,} lines)" if len(rest) > 1 else f": {short(rest[0], 60)}" if rest else ""
            return f"{'' if how == 'ran' else how + ': '}{short(first)}{more}"
        case UserSaid(text) | NoticeGiven(text):
            return short(text)
        case PlanChanged(plan):
            return phase_line(plan)
        case ResultsCompacted() | HistorySummarized() | SummaryRejected() | PrefixBroken() | PricesChanged():
            return _context_line(event)
        case SessionEnded(reason, detail):
            return f"{reason}{': ' + detail if detail else ''}"
        case ModelRetried(reason, attempt, delay_s):
            return f"trying again in {delay_s:.1f} s (attempt {attempt}): {short(reason)}"
        case ModelFailed(error, message):
            return f"{error}: {short(message)}"
        case ModelSwitched(purpose, model, reason):
            return f"{model} to {purpose.replace('_', ' ')}: {short(reason)}"
        case (
            SandboxOpened()
            | HostContacted()
            | ActForeseen()
            | ApprovalAsked()
            | ApprovalGiven()
            | TakenOver()
            | GivenBack()
            | Published()
        ):
            return _machine_line(event)
        case FilesSaved(_, files, size, notes):
            more = f"; {short(' '.join(notes))}" if notes else ""
            return f"{files:,} files changed, {size:,} bytes{more}"
        case FilesNotSaved(reason):
            return short(reason)
    return _bookkeeping_line(event)


def _machine_line(event: Event) -> str:
    """Say what happened around the machine."""
    match event:
        case SandboxOpened(backend, isolation, limits, resumed):
            said = f"{backend}, isolation {isolation}, limits by {limits}"
            return f"{said}; with all that ran in it before" if resumed else said
        case HostContacted(host, _, "allowed", rule, requests=requests, sent_bytes=sent, received_bytes=received):
            many = "s" * (requests != 1)
            return f"{host}: {requests} request{many} by rule {rule}, {sent:,} bytes out, {received:,} in"
        case HostContacted(host, _, _, rule, reason):
            return f"{host}: refused by rule {rule}: {short(reason)}"
        case ActForeseen(_, intent, what):
            return f"{intent}: {short(what)}"
        case ApprovalAsked(what=what, rule=rule):
            return f"{short(what)} (rule {rule})"
        case ApprovalGiven(answer=answer, subject=subject, by=by):
            return f"{answer}{'' if by == 'user' else ' by policy'}: {short(subject)}"
        case Published(port, address, what):
            return f"{address} leads to {short(what)}" if address else f"port {port} is shown no longer"
        case TakenOver(where="browser"):
            return "the browser"
        case GivenBack(seconds=seconds, where=where):
            return f"{'the browser, ' if where == 'browser' else ''}after {seconds:.0f} s"
    return ""


def _context_line(event: Event) -> str:
    """Say what happened to the context."""
    match event:
        case ResultsCompacted(ids, arguments=arguments, why=why):
            calls = f", {len(arguments)} calls shortened" if arguments else ""
            reason = f" ({WHYS[why]})" if why else ""
            return f"{len(ids)} older results compacted{calls}; their originals are kept{reason}"
        case HistorySummarized(until, _, log_path, why=why):
            return f"what happened before {until} is summarised ({WHYS[why]}); the whole is in {log_path}"
        case SummaryRejected(reasons):
            return f"a summary was not used: {short(' '.join(reasons))}"
        case PrefixBroken(piece, byte, reason):
            return f"the cache was broken without a plan at piece {piece}, byte {byte}: {reason}"
        case PricesChanged(prices):
            return f"of uncached input: write {prices.write:g}, read {prices.read:g}, output {prices.output:g}"
    return ""


def _bookkeeping_line(event: Event) -> str:
    match event:
        case SessionStarted(policy):
            return f"model {policy.model}, {len(policy.tools)} tools"
        case Forked(parent, position):
            return f"from {parent} at {position}"
        case Rewound(to):
            return f"to {to}"
        case ToolStarted(call_id, attempt):
            return call_id if attempt == 1 else f"{call_id}, attempt {attempt}"
        case LimitHit(limit, used, allowed):
            return f"{limit}: {used:g} of {allowed:g}"
        case LimitsChanged(limits):
            return f"steps {limits.steps}, tokens {limits.tokens}, cost {limits.cost_usd}, seconds {limits.seconds}"
        case GuardChanged(guard):
            return f"isolation {guard.isolation}, network {guard.network.mode}, approvals: {guard.approvals.asked}"
        case Paused() | Resumed():
            return ""
    return ""


def clean(text: str) -> str:
    """Make text from the agent's world safe to print: no control character reaches the person's terminal."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(HARMLESS)


def call_line(call: ToolCall) -> str:
    """Say what a call does: its tool and its telling argument."""
    return f"{call.tool} {short(telling(call))}".rstrip()


def argument(call: ToolCall, name: str) -> str:
    """Give one text argument of a call, or nothing."""
    value = stated(call).get(name)
    return clean(value) if isinstance(value, str) else ""


def phase_line(plan: Plan) -> str:
    if plan.current is None:
        return f"all {len(plan.phases)} phases are done"
    return f"phase {plan.done + 1} of {len(plan.phases)}: {short(plan.current.title)}"


def plan_lines(plan: Plan) -> list[str]:
    """Give the plan as a list to tick off."""
    marks = ["x" if index < plan.done else ">" if index == plan.done else " " for index in range(len(plan.phases))]
    phases = (f"[{mark}] {clean(phase.title)}" for mark, phase in zip(marks, plan.phases, strict=True))
    return [clean(plan.goal), *phases]


def short(text: str, chars: int = LINE_CHARS) -> str:
    """Cut a text to one line."""
    return clean(excerpt.line(text, chars))


def tokens(count: int) -> str:
    return f"{count / 1000:.1f}k" if count >= 10_000 else f"{count:,}"


def money(usd: float, unpriced: int = 0) -> str:
    """Give a sum; calls without a known price make it a lower bound, and say so."""
    shown = f"${usd:.4f}" if usd < 1 else f"${usd:.2f}"
    return f"{shown} + {unpriced} calls of unknown price" if unpriced else shown


def when(at: float) -> str:
    """Give a point in time as the person's clock shows it."""
    return datetime.fromtimestamp(at, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M")
