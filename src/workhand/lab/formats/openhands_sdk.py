"""The events of the OpenHands SDK, which name their ``kind``; ``openhands`` says what they are read from.

Counts come as running totals before the answer they belong to, so what has been
added since the totals before is what the next answer used.
"""

from __future__ import annotations

from typing import Any

from workhand.core.events import Usage
from workhand.lab.formats.blocks import text_of
from workhand.lab.formats.faults import Unfit
from workhand.lab.formats.parts import Parts
from workhand.lab.formats.records import inner, moment, objects, string, tool_names, written
from workhand.lab.formats.usage import usage

_SILENT = frozenset(
    {
        *("PauseEvent", "InterruptEvent", "TokenEvent", "CondensationRequest", "CondensationSummaryEvent"),
        *("StreamingDeltaEvent", "HookExecutionEvent", "LLMCompletionLogEvent", "ConversationErrorEvent"),
        *("ConversationIterationLimitEvent", "WarningEvent", "ACPToolCallEvent"),
    }
)
KINDS = _SILENT | {
    *("SystemPromptEvent", "MessageEvent", "ActionEvent", "ObservationEvent", "UserRejectObservation"),
    *("AgentErrorEvent", "Condensation", "ConversationStateUpdateEvent"),
}
_NOT_THE_AGENT = "condenser"  # whose calls are no answers of the agent


class SdkEvents:
    """What turns events into parts, one by one."""

    def __init__(self, parts: Parts) -> None:
        self.model = ""
        self.tools: tuple[str, ...] = ()
        self._parts = parts
        self._total = Usage()
        self._used: Usage | None = None  # by an answer that is not there yet

    def take(self, event: dict[str, Any]) -> None:
        at = moment(event.get("timestamp"))
        match string(event, "kind"):
            case "SystemPromptEvent":
                prompt, context = text_of(event.get("system_prompt")), text_of(event.get("dynamic_context"))
                self._parts.said("system", "\n".join(each for each in (prompt, context) if each))
                self.tools = tool_names([{"name": each.get("title"), **each} for each in objects(event.get("tools"))])
            case "MessageEvent":
                self._message(event, at)
            case "ActionEvent":
                self._act(event, at)
            case "ObservationEvent":
                self._observe(event, at)
            case "UserRejectObservation":
                reason = f"Action rejected: {text_of(event.get('rejection_reason'))}"
                self._parts.returned(event.get("tool_call_id"), reason, ok=False, at=at)
            case "AgentErrorEvent":
                self._parts.returned(event.get("tool_call_id"), string(event, "error"), ok=False, at=at)
            case "Condensation":
                if summary := text_of(event.get("summary")):
                    self._parts.said("user", summary, resets=True)
            case "ConversationStateUpdateEvent":
                self._count(event)
            case kind if kind not in _SILENT:
                raise Unfit(f"there is no event kind {kind!r}")

    def _message(self, event: dict[str, Any], at: float | None) -> None:
        content = [text_of(inner(event, "llm_message").get("content")), text_of(event.get("extended_content"))]
        text = "\n".join(each for each in content if each)
        if event.get("source") == "agent":
            self._answer(text, event, at)
        else:
            self._parts.said("user", text)

    def _act(self, event: dict[str, Any], at: float | None) -> None:
        self._answer(text_of(event.get("thought")), event, at)
        call = inner(event, "tool_call")
        asked = inner(call, "function") or call
        shown = {name: value for name, value in inner(event, "action").items() if name != "kind"}
        arguments = written(asked.get("arguments", shown))
        self._parts.called(event.get("tool_call_id"), str(event.get("tool_name") or asked.get("name")), arguments)

    def _observe(self, event: dict[str, Any], at: float | None) -> None:
        seen = inner(event, "observation")
        content = [text_of(seen.get("content", seen.get("output"))), text_of(event.get("extended_content"))]
        ok = not seen.get("is_error") and seen.get("exit_code") in (None, 0, -1)
        self._parts.returned(event.get("tool_call_id"), "\n".join(each for each in content if each), ok=ok, at=at)

    def _answer(self, text: str, event: dict[str, Any], at: float | None) -> None:
        id = event.get("llm_response_id")
        counts, self._used = self._used, None
        self._parts.answered(text, key=id if isinstance(id, str) else "", usage=counts, at=at)

    def _count(self, event: dict[str, Any]) -> None:
        if event.get("key") != "stats":
            return
        metrics = inner(event, "value", "usage_to_metrics")
        kept = [each for name, each in metrics.items() if name != _NOT_THE_AGENT and isinstance(each, dict)]
        self.model = self.model or next((str(each["model_name"]) for each in kept if each.get("model_name")), "")
        totals = [counts for each in kept if (counts := usage(each.get("accumulated_token_usage")))]
        total = Usage(*(sum(each) for each in zip(*(_numbers(counts) for counts in totals), strict=True)))
        used = Usage(*(max(new - old, 0) for new, old in zip(_numbers(total), _numbers(self._total), strict=True)))
        if used.input_tokens:
            self._used = used
        self._total = total


def _numbers(counts: Usage) -> tuple[int, ...]:
    return (
        *(counts.input_tokens, counts.cached_tokens, counts.written_tokens),
        *(counts.output_tokens, counts.reasoning_tokens),
    )
