"""Recorded sessions on a real cache: what the simulator predicts and what the embedded model really reuses.

The engine renders the prompts of a session as it would for any model, and each is
sent with one token to answer.  The prediction is that of the ideal cache on the
model's own token counts; llama.cpp reports exactly how many tokens it reused and
processed.  The two may differ by what both prompts have in common behind the last
whole piece: the opening of a turn, and the beginning of two texts that differ.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from workhand.core.mask import Mask
from workhand.core.policy import Policy
from workhand.core.render import render
from workhand.errors import ContextOverflow
from workhand.lab.caches import named
from workhand.lab.policies.contexts import Workhand
from workhand.lab.request import Block, Request
from workhand.lab.texts import Texts
from workhand.lab.trace import Answer, Trace
from workhand.models.local import LocalModel

SLACK_TOKENS = 32  # what a piece that changed may share with the piece that it replaces, and the opening of a turn


@dataclass(frozen=True, slots=True)
class LiveCall:
    """One request: tokens in all, predicted as reused, and what the model reported."""

    call: int
    tokens: int
    predicted: int
    cached: int
    processed: int
    reduced: bool

    @property
    def difference(self) -> int:
        """Tokens that the cache served beyond the prediction; below zero where it served less."""
        return self.cached - self.predicted

    @property
    def agrees(self) -> bool:
        return -1 <= self.difference <= SLACK_TOKENS


async def live(trace: Trace, policy: Policy, model: LocalModel, *, calls_max: int) -> AsyncIterator[LiveCall]:
    """Send the requests of a session, one after the other; stops where the window is full."""
    context = Workhand(Texts(frozenset()), Block(-1, 0), policy)
    cache = named("lcp")()
    keys: dict[bytes, int] = {}
    call = reductions = 0
    for part in trace.parts:
        if isinstance(part, Answer):
            context.requests(cold=False)
            prompt = replace(render(context.log, policy), answer_tokens_max=1, tail="")
            first, *others = await model.sizes(prompt)
            pieces = (b"\n".join(prompt.body[:2]), *prompt.body[2:])
            sizes = (first, *others[:-1])
            blocks = [Block(keys.setdefault(piece, len(keys)), size) for piece, size in zip(pieces, sizes, strict=True)]
            billed = cache.bill(Request(tuple(blocks), tail_tokens=others[-1]))
            try:
                answer = await model.answer(prompt, Mask("auto", ()), session=trace.id, watch=lambda _: None)
            except ContextOverflow:
                return
            usage = answer.usage
            fresh = usage.input_tokens - usage.cached_tokens
            reduced = context.removed.events > reductions
            yield LiveCall(call, billed.input, billed.cached, usage.cached_tokens, fresh, reduced)
            call, reductions = call + 1, context.removed.events
            if call == calls_max:
                return
        context.take(part)
