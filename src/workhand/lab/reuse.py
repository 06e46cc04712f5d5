"""How much of a prompt a real cache reuses, and what destroys it.

The same prompts are sent to the same model in several shapes, each in a session
of its own, and what the model reports for every call is added up.  Two shapes
are mistakes that agents often make: a clock at the front of the system prompt,
and tools removed from the list instead of masked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import TypeAlias

from workhand.core import canonical
from workhand.core.events import ModelAnswered, ResultsCompacted
from workhand.core.log import Log
from workhand.core.mask import Mask
from workhand.core.ports import Model
from workhand.core.prompt import Prompt
from workhand.core.render import render

Shape: TypeAlias = Callable[[int, Prompt, Mask], Prompt]
"""Gives the n-th prompt as it would be sent, for the mask under which it was asked."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """What a series of calls made the model process and let it reuse, in tokens."""

    processed: int
    reused: int
    ttft_ms_p50: float  # time to first token, median

    @property
    def hit(self) -> float:
        total = self.processed + self.reused
        return round(self.reused / total, 4) if total else 0.0


def requests(log: Log) -> list[Prompt]:
    """Give the prompt of every answer in a log, as it would have been without any reduction."""
    kept = [entry for entry in log.entries if not isinstance(entry.event, ResultsCompacted)]
    asked = [index for index, entry in enumerate(kept) if isinstance(entry.event, ModelAnswered)]
    return [render(Log.of(kept[:index]), log.policy) for index in asked]


def as_sent(count: int, prompt: Prompt, mask: Mask) -> Prompt:
    return prompt


def timestamp_in_front(count: int, prompt: Prompt, mask: Mask) -> Prompt:
    """Put a clock, another one for each call, before everything else."""
    system = json.loads(prompt.body[1])
    stamped = {**system, "text": f"Time: 12:00:{count:02d}.{count * 137 % 1000:03d}\n{system['text']}"}
    return replace(prompt, body=(prompt.body[0], canonical.encode(stamped), *prompt.body[2:]))


def tools_removed(count: int, prompt: Prompt, mask: Mask) -> Prompt:
    """Take the tools that the mask does not allow out of the list."""
    tools = json.loads(prompt.body[0])["tools"]
    left = [tool for tool in tools if mask.allows(tool["name"])]
    return replace(prompt, body=(canonical.encode({"tools": left}), *prompt.body[1:]))


async def measure(model: Model, asked: Iterable[tuple[Prompt, Mask]], shape: Shape, *, session: str) -> Reuse:
    """Send every prompt in one shape, asking for one token each, and add up what the model reports."""
    answers: list[ModelAnswered] = []
    for count, (prompt, mask) in enumerate(asked):
        shaped = replace(shape(count, prompt, mask), answer_tokens_max=1)
        names = tuple(sorted(tool["name"] for tool in json.loads(shaped.body[0])["tools"]))
        answers.append(await model.answer(shaped, Mask("auto", names), session=session, watch=lambda _: None))
    return total(answers)


def total(answers: Iterable[ModelAnswered]) -> Reuse:
    """Add up what a model reported."""
    listed = list(answers)
    reused = sum(answer.usage.cached_tokens for answer in listed)
    inputs = sum(answer.usage.input_tokens for answer in listed)
    firsts = [answer.first_token_s for answer in listed if answer.first_token_s is not None]
    return Reuse(inputs - reused, reused, round(median(firsts) * 1000, 1) if firsts else 0.0)
