"""A model whose answers are a function of the prompt: the same prompt, the same answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from workhand.core import canonical
from workhand.core.events import ModelAnswered, ToolCall, Usage
from workhand.core.mask import Mask
from workhand.core.ports import Watch
from workhand.core.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Say:
    """One answer of a scripted model: a call, or text alone."""

    tool: str = ""
    arguments: dict[str, canonical.Json] = field(default_factory=dict)
    text: str = ""


@dataclass
class ScriptedModel:
    """Answer with ``choose(n)``, where n counts the answers that are in the prompt, and summarise with ``summary``."""

    choose: Callable[[int], Say]
    summary: Callable[[Prompt], str] = field(default_factory=lambda: summary_of)
    asked: list[tuple[Prompt, Mask]] = field(default_factory=list)

    async def answer(self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch) -> ModelAnswered:
        self.asked.append((prompt, mask))
        said = self.choose(prompt.answers) if mask.tools else Say(text=self.summary(prompt))
        arguments = canonical.encode(said.arguments).decode()
        return ModelAnswered(
            text=said.text,
            calls=(ToolCall("", said.tool, arguments),) if said.tool else (),
            usage=Usage(input_tokens=max(1, prompt.size // 4), output_tokens=len(arguments) // 4 + 1, cost_usd=0.0),
            model="scripted",
            prompt_bytes=prompt.size,
            prompt_digest="",
        )


def script(*answers: Say) -> Callable[[int], Say]:
    """Give the answers of a list in order, and the last one again after its end."""
    return lambda count: answers[min(count, len(answers) - 1)]


def summary_of(prompt: Prompt) -> str:
    """Write a summary that passes its checks: the goals that the instruction lists, and a state."""
    _, _, listed = prompt.tail.partition("Open goals:\n")
    goals: list[canonical.Json] = [line.removeprefix("- ") for line in listed.splitlines() if line.startswith("- ")]
    return canonical.encode({"goals": goals, "state": f"After {prompt.answers} answers all is well."}).decode()
