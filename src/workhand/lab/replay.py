"""Replay a recorded session under a policy, and bill every request as a provider would.

The recorded actions are fixed: what is measured is tokens, cache, money, and
whether what an action needed was still in the request.  Where it was not, the
agent would have had to read it again, so that is done: one more call of the
model and the result once more, both billed and both in the context from then on.
That is a lower bound of true re-reading, and success is not measured at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from workhand.lab.contexts import Context
from workhand.lab.request import Block, Cache, Prices, Request
from workhand.lab.texts import Texts, needs, texts_of
from workhand.lab.trace import Answer, Call, Returned, Said, Trace

REREAD_OUTPUT_TOKENS = 60  # what a model writes to read something again
REREAD_CHARS_MAX = 24_000  # of one slice that is read again
REREADS_PER_CALL_MAX = 4

Begin = Callable[[Texts, Block], Context]
"""Makes a policy's context for one session, given its texts and the fixed prefix."""


@dataclass(slots=True)
class Account:
    """What a session cost under a policy, in tokens; money is in tokens of uncached input."""

    cost: float = 0.0
    uncached: float = 0.0  # what the same requests would cost without any cache
    input: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    calls: int = 0  # of the recorded model
    extra_calls: int = 0  # to summarise and to read again
    breaks: int = 0  # requests that did not begin with the whole one before
    rereads: int = 0
    needs: int = 0  # identifiers that actions needed
    needs_shown: int = 0
    needs_behind: int = 0  # not shown, but behind a pointer that is
    over_limit: int = 0
    sizes: list[int] = field(default_factory=list)  # tokens of each recorded call's request, without the prefix


def replay(
    trace: Trace,
    begin: Begin,
    cache: Cache,
    prices: Prices,
    *,
    limit: int,
    prefix_tokens: int,
    texts: Texts | None = None,
) -> Account:
    """Run a trace through a policy.  ``limit`` counts tokens without the fixed prefix."""
    needed = needs(trace)
    texts = texts or Texts(frozenset[str]().union(*needed.values()))
    return _Replay(trace, begin, cache, prices, limit, prefix_tokens, texts).run(needed)


class _Replay:
    def __init__(
        self, trace: Trace, begin: Begin, cache: Cache, prices: Prices, limit: int, prefix_tokens: int, texts: Texts
    ) -> None:
        self.trace, self.begin, self.cache, self.prices = trace, begin, cache, prices
        self.limit, self.texts = limit, texts
        self.prefix = Block(-1, prefix_tokens)
        self.account = Account()
        self.context = begin(texts, self.prefix)
        self.sources: dict[str, Returned | Said | Answer] = {}
        self.last: tuple[Block, ...] = ()

    def run(self, needed: dict[int, frozenset[str]]) -> Account:
        for index, part in enumerate(self.trace.parts):
            if isinstance(part, Said) and part.resets:
                self.context, self.last = self.begin(self.texts, self.prefix), ()
            if isinstance(part, Answer):
                self._ask(part, needed.get(index, frozenset()))
            self.context.take(part)
            for text in texts_of(part):
                for word in self.texts.words(text):
                    self.sources[word] = part
        return self.account

    def _ask(self, answer: Answer, words: frozenset[str]) -> None:
        account = self.account
        request = self._send_reductions()
        account.needs += len(words)
        missing = self._missing(words, request)
        account.needs_shown += len(words) - len(missing)
        for round in range(REREADS_PER_CALL_MAX):
            if not missing:
                break
            request = self._read_again(missing[0], request, first=round == 0)
            missing = self._missing(words, request)
        account.calls += 1
        size = sum(block.tokens for block in request.blocks) - self.prefix.tokens
        account.sizes.append(size)
        account.over_limit += size > self.limit
        self._bill(request, sum(self.texts.count(text) for text in texts_of(answer)))

    def _missing(self, words: frozenset[str], request: Request) -> list[str]:
        return self.texts.missing(words, frozenset(block.key for block in request.blocks)) if words else []

    def _send_reductions(self) -> Request:
        *own, request = self.context.requests(cold=False)
        for each in own:
            self.account.extra_calls += 1
            self._bill(each, each.output_tokens)
        return request

    def _read_again(self, word: str, request: Request, *, first: bool) -> Request:
        account = self.account
        source = self.sources[word]
        account.rereads += 1
        account.extra_calls += 1
        account.needs_behind += not isinstance(source, Returned) or self.context.points_to(source)
        self._bill(request, REREAD_OUTPUT_TOKENS)
        id = f"again{account.rereads}"
        text = "\n".join(texts_of(source))[:REREAD_CHARS_MAX]
        at = text.find(word)
        if at < 0:  # it stands past the first slice: the slice that holds it is read
            whole = "\n".join(texts_of(source))
            at = max(0, whole.find(word) - REREAD_CHARS_MAX // 2)
            text = whole[at : at + REREAD_CHARS_MAX]
        self.context.take(Answer("", (Call(id, "file_read", "{}"),)))
        self.context.take(Returned(id, text), whole=True)
        return self._send_reductions()

    def _bill(self, request: Request, output_tokens: int) -> None:
        account, billed = self.account, self.cache.bill(request)
        cost = self.prices.cost(billed, output_tokens)
        account.cost += cost
        account.uncached += billed.input + self.prices.output * output_tokens
        account.input += billed.input
        account.cached += billed.cached
        account.written += billed.written
        account.output += output_tokens
        account.breaks += request.blocks[: len(self.last)] != self.last
        self.last = request.blocks
