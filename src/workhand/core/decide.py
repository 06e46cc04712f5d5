"""Say what happens next in a session.

All control flow of the agent is in here, as one pure function of the log: the
runtime only performs what it is told and writes down what came of it.  So a
session can be killed at any point and woken anywhere, and goes on the same way.

The rules, in order: finish the call that is open; stop where there is nothing
to do; keep the limits; keep the context within its window; then ask the model,
under the mask that the situation allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from workhand.core import budget, calls, compact, excerpt, mask, plan, routing, schedule, variation
from workhand.core.consent import asking
from workhand.core.events import (
    ApprovalAsked,
    ApprovalGiven,
    Event,
    GivenBack,
    LimitHit,
    LimitsChanged,
    ModelAnswered,
    ModelFailed,
    ModelSwitched,
    NoticeGiven,
    Observation,
    Paused,
    PlanChanged,
    Resumed,
    SessionEnded,
    TakenOver,
    ToolCall,
    ToolReturned,
    ToolStarted,
    UserSaid,
)
from workhand.core.log import Log
from workhand.core.mask import Mask
from workhand.core.policy import Policy, ToolSpec
from workhand.core.schedule import Summarize

ATTEMPTS_MAX = 3  # of a repeatable tool that keeps being interrupted
REPAIRABLE = ("ContextOverflow", "MalformedAnswer")  # failures of the model that need nobody
ASKED_CHARS = 200  # of a call, when a person is asked about it
LOOK_BACK = 200  # events: a model does not repeat what it no longer attends to

NO_CALL = "Answer with exactly one tool call; to speak to the user, call message_info, message_ask or message_result."
PLACEHOLDER = (
    f"Not run: {compact.MARK!r} in your arguments is a note about older content, not content. "
    "Read the content where the note says, and give it in full."
)
RECALIBRATE = (
    "The last {count} actions were all {tool}. Before you go on: is each item still looked at for itself, or has a "
    "pattern taken over? Is there a faster way, such as a script over all of them? Continue with what the goal needs."
)
UNKNOWN = (
    "This call was interrupted and may have taken effect: whether it did is not known. "
    "Look at the state of things before doing it again."
)


@dataclass(frozen=True, slots=True)
class AskModel:
    mask: Mask


@dataclass(frozen=True, slots=True)
class Foresee:
    """Look what an act on a page would mean, so that it can be judged."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class RunTool:
    call: ToolCall
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Record:
    """Append events that were decided rather than observed, atomically."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class WaitForUser:
    pass


@dataclass(frozen=True, slots=True)
class Finished:
    pass


Command: TypeAlias = AskModel | Foresee | RunTool | Record | Summarize | WaitForUser | Finished


def decide(log: Log, policy: Policy) -> Command:
    """Give the next command for a session."""
    call = open_call(log)
    if call is not None:
        return _settle(call, log, policy)
    if switch := routing.fallback(log, policy):
        return Record((switch,))
    if rest := _at_rest(log):
        return rest
    if told := _about_hosts(log) or _about_visits(log):
        return told
    if switches := routing.first_again(log, policy):
        return Record(switches)
    if limit := _limit(log, policy):
        return limit
    if reduction := _reduce(log, policy):
        return reduction
    return _correct(log, policy) or _recalibrate(log, policy) or AskModel(allowed(log, policy))


def open_call(log: Log) -> ToolCall | None:
    """Give the call that has no result yet."""
    answer = log.latest(ModelAnswered)
    settled = log.index(ToolReturned) > log.index(ModelAnswered)
    return answer.calls[0] if answer and answer.calls and not settled else None


def allowed(log: Log, policy: Policy) -> Mask:
    """Say which tools may be called now.

    The last call under a limit delivers; a new message of the user is answered
    before anything else is done; a plan exists before work starts; and what follows a
    plan is work, not the plan again.
    """
    names = [spec.name for spec in policy.tools]
    if _last_call_pending(log):
        return mask.family(names, "message_result")
    if PlanChanged not in log.last:
        return mask.family(names, plan.TOOL)
    addressed = log.index(UserSaid) < log.index(PlanChanged) or any(map(_speaks, log.since(UserSaid)))
    if not addressed:
        return mask.family(names, "message_")
    if log.index(PlanChanged) > log.index(ModelAnswered):
        return mask.others(names, plan.TOOL)
    return mask.everything(names)


# -- an open call ---------------------------------------------------------------


def _settle(call: ToolCall, log: Log, policy: Policy) -> Command:
    spec = next((spec for spec in policy.tools if spec.name == call.tool), None)
    attempts = sum(isinstance(event, ToolStarted) for event in log.since(ModelAnswered))
    if attempts and (spec is None or spec.effect == "effect" or attempts >= ATTEMPTS_MAX):
        unknown = Observation(UNKNOWN, f"{call.tool}: interrupted, outcome unknown", ok=False)
        return Record((ToolReturned(call.id, unknown, how="unknown"),))
    if attempts:
        return RunTool(call, attempts + 1)
    if refusal := _refusal(call, spec, log, policy):
        return Record((ToolReturned(call.id, Observation(refusal, refusal, ok=False), how="refused"),))
    if call.tool == plan.TOOL:
        return _plan(call, log, policy)
    return _permission(call, log, policy) or RunTool(call)


def _permission(call: ToolCall, log: Log, policy: Policy) -> Command | None:
    """Have a call approved where the rules want that; nothing stands in its way if there is no command."""
    match asking.answer_to(call.id, log):
        case ApprovalGiven(answer="no", rule=rule, by=by):
            who = "The user did not allow it" if by == "user" else "Nobody is there to allow it"
            return _not_run(call, f"Not run: {who} (rule {rule!r}). Find another way, or ask with message_ask.")
        case ApprovalGiven():
            return None
        case ApprovalAsked():
            return WaitForUser()
    foreseen = asking.foreseen(call, log)
    if call.tool == asking.ACT and foreseen is None:
        return Foresee(call)
    judged = asking.of_call(call, log, policy)
    if judged.verdict == "allow":
        return None
    if judged.verdict == "deny":
        return _not_run(call, f"Not run: rule {judged.rule!r} forbids it: {judged.why}")
    said = foreseen.what if foreseen else f"{call.tool} {excerpt.line(calls.telling(call), ASKED_CHARS)}".rstrip()
    question = asking.question(call.id, judged, said)
    if policy.guard.approvals.asked == "person":
        return Record((question,))
    answer: Literal["once", "no"] = "once" if policy.guard.approvals.asked == "never" else "no"
    return Record((question, ApprovalGiven(call.id, answer, judged.rule, judged.subject, "policy")))


def _not_run(call: ToolCall, reason: str) -> Record:
    return Record((ToolReturned(call.id, Observation(reason, reason, ok=False), how="refused"),))


def _about_hosts(log: Log) -> Command | None:
    """Ask a person about the hosts that the last action was refused, and tell the model what they said."""
    given: list[ApprovalGiven] = []
    for asked, contact in asking.refused_hosts(log):
        match asking.answer_to(asked, log):
            case None:
                return Record((asking.host_question(asked, contact),))
            case ApprovalAsked():
                return WaitForUser()
            case ApprovalGiven() as answer:
                given.append(answer)
    told = log.index(NoticeGiven, UserSaid) > log.index(ApprovalGiven)
    return Record(tuple(map(asking.host_notice, given))) if given and not told else None


def _about_visits(log: Log) -> Command | None:
    """Tell the model what a person did in its machine."""
    visits = [event for event in log.since(ModelAnswered, NoticeGiven) if isinstance(event, GivenBack)]
    return Record(tuple(NoticeGiven(_visited(visit)) for visit in visits)) if visits else None


def _visited(visit: GivenBack) -> str:
    if visit.where == "browser":
        changed = "its pages may have changed, so look again with browser_view"
        return f"The user drove the browser themselves for {visit.seconds:.0f} s: {changed}."
    shown = f" Their terminal showed, at the end:\n{visit.shown}" if visit.shown else ""
    return f"The user worked in the machine themselves for {visit.seconds:.0f} s.{shown}"


def _refusal(call: ToolCall, spec: ToolSpec | None, log: Log, policy: Policy) -> str | None:
    """Say why a call is not run at all."""
    if spec is None:
        names = ", ".join(spec.name for spec in policy.tools)
        return f"There is no tool {call.tool!r}; there are {names}."
    permitted = allowed(log.upto(log.index(ModelAnswered)), policy)
    if not permitted.allows(call.tool):
        return f"{call.tool} cannot be called now; what can be called now: {', '.join(permitted.tools)}."
    if compact.holds_mark(call):
        return PLACEHOLDER
    failed_at = _failed_before(call, log, policy)
    if failed_at is not None:
        return (
            f"Not run: this same call failed at step {failed_at} and nothing has been changed since. "
            "Do something different: other arguments, another tool, or find out first why it failed."
        )
    return None


def _failed_before(call: ToolCall, log: Log, policy: Policy) -> int | None:
    """Give the step at which the same call failed, if nothing has run since that could change its outcome."""
    effect = {spec.name: spec.effect for spec in policy.tools}
    results: dict[str, ToolReturned] = {}
    for index in range(len(log.entries) - 1, max(-1, len(log.entries) - LOOK_BACK), -1):
        match log.entries[index].event:
            case UserSaid():
                return None
            case ToolReturned() as result:
                results[result.call_id] = result
            case ModelAnswered(calls=(earlier, *_)) if earlier.id in results:
                result = results[earlier.id]
                same = (earlier.tool, earlier.arguments) == (call.tool, call.arguments)
                if same and result.how == "ran" and not result.observation.ok:
                    return sum(isinstance(entry.event, ModelAnswered) for entry in log.entries[: index + 1])
                if result.how != "refused" and _may_change_things(earlier.tool, effect):
                    return None
    return None


def _may_change_things(tool: str, effect: Mapping[str, str]) -> bool:
    return effect.get(tool, "effect") != "pure" and not tool.startswith(("message_", "plan_"))


def _plan(call: ToolCall, log: Log, policy: Policy) -> Record:
    stated = plan.read_plan(call.arguments)
    if isinstance(stated, str):
        return Record((ToolReturned(call.id, Observation(stated, stated, ok=False)),))
    words = variation.choose(variation.PLANNED, policy.variation_seed, log.head)
    now = f"Phase {stated.done + 1} of {len(stated.phases)} is current." if stated.current else "All phases are done."
    text = f"{words} {now}"
    return Record((PlanChanged(stated), ToolReturned(call.id, Observation(text, text))))


# -- nothing to do, limits, the window --------------------------------------------


def _at_rest(log: Log) -> Command | None:
    """Say whether the session is over, paused, or waits for the user."""
    resumed = raised = left = False
    for event in log.newest_first():
        match event:
            case SessionEnded(reason):
                return None if raised and reason == "limit" else Finished()
            case LimitsChanged():
                raised = True
            case GivenBack():
                left = True
            case TakenOver() if not left:
                return WaitForUser()
            case Resumed():
                resumed = True
            case Paused() if not resumed:
                return WaitForUser()
            case ModelFailed(error) if error not in REPAIRABLE and not resumed:
                return WaitForUser()
            case UserSaid() | ModelSwitched():
                return None
            case ModelAnswered(calls=(ToolCall(tool="message_result"), *_)) if _last_result_ok(log):
                return Record((_ending(log),))
            case ModelAnswered(calls=(ToolCall(tool="message_ask"), *_)) if _last_result_ok(log):
                return WaitForUser()
            case ModelAnswered():
                return None
    return WaitForUser()


def _ending(log: Log) -> SessionEnded:
    if _last_call_pending(log, answered=True):
        return SessionEnded("limit", _limit_words(log))
    return SessionEnded("answered")


def _limit(log: Log, policy: Policy) -> Command | None:
    if _last_call_pending(log):
        return None
    if _last_call_pending(log, answered=True):
        return Record((SessionEnded("limit", _limit_words(log)),))
    reached = budget.hit(log, policy)
    return Record((reached,)) if reached else None


def _last_call_pending(log: Log, *, answered: bool = False) -> bool:
    """Say whether the last call under a limit is still to be made (or has been, if ``answered``)."""
    reached = log.index(LimitHit)
    if reached <= log.index(LimitsChanged, UserSaid, SessionEnded):
        return False
    return (log.index(ModelAnswered) > reached) == answered


def _limit_words(log: Log) -> str:
    reached = log.latest(LimitHit)
    assert reached is not None
    return f"the limit on {reached.limit} is used up: {reached.used:,.10g} of {reached.allowed:,.10g}"


def _reduce(log: Log, policy: Policy) -> Command | None:
    """Reduce the context where that is due; where it cannot be, a full context is a limit as others are."""
    size = budget.context_tokens(log, policy)
    room = policy.window.hard - policy.answer_tokens_max
    reduction = schedule.due(log, policy)
    if reduction is not None:
        return reduction if isinstance(reduction, Summarize) else Record((reduction,))
    if schedule.overflowed(log):
        return Record((SessionEnded("limit", f"the context is full: it does not fit into {room:,} tokens"),))
    if size > room and size >= policy.window.trigger and not _last_call_pending(log):
        return Record((LimitHit("context", float(size), float(room)),))
    return None


# -- answers that lead nowhere ----------------------------------------------------


def _correct(log: Log, policy: Policy) -> Command | None:
    """Tell the model that its answer had no call; end a session that is stuck."""
    fruitless = 0
    for event in log.newest_first():
        if isinstance(event, UserSaid) or (isinstance(event, ToolReturned) and event.how != "refused"):
            break
        fruitless += _is_fruitless(event)
    if fruitless >= policy.fruitless_answers_max:
        return Record((SessionEnded("stuck", f"{fruitless} answers in a row held no call that could be run"),))
    answer = log.latest(ModelAnswered)
    told = log.index(NoticeGiven, UserSaid) > log.index(ModelAnswered)
    return Record((NoticeGiven(NO_CALL),)) if answer and not answer.calls and not told else None


def _recalibrate(log: Log, policy: Policy) -> Command | None:
    """After many like actions in a row, ask the model to look up from the pattern."""
    count = policy.rules.recalibrate_after
    if not count or log.index(ModelAnswered) < log.index(NoticeGiven, UserSaid):
        return None
    tools: list[str] = []
    for event in log.newest_first():
        if isinstance(event, UserSaid | NoticeGiven | PlanChanged):
            return None
        if isinstance(event, ModelAnswered):
            tools += [call.tool for call in event.calls] or [""]
            if tools[-1] != tools[0] or not tools[0]:
                return None
            if len(tools) >= count:
                return Record((NoticeGiven(RECALIBRATE.format(count=count, tool=tools[0])),))
    return None


def _is_fruitless(event: Event) -> bool:
    match event:
        case ModelAnswered(calls=()) | ModelFailed(error="MalformedAnswer") | ToolReturned(how="refused"):
            return True
    return False


def _speaks(event: Event) -> bool:
    return isinstance(event, ModelAnswered) and any(call.tool.startswith("message_") for call in event.calls)


def _last_result_ok(log: Log) -> bool:
    result = log.latest(ToolReturned)
    return result is not None and result.observation.ok
