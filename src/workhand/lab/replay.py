"""Replay a recorded session under a policy, and bill every request as a provider would.

The recorded actions are fixed: what is measured is tokens, cache, money, and
whether what an action needed was still in the request.  Where it was not, the
agent would have had to read it again, so that is done: one more call of the
model and the result once more, both billed and both in the context from then on.
That is a lower bound of true re-reading, and success is not measured at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from workhand.core.policy import Prices
from workhand.lab.policies.contexts import Begin
from workhand.lab.request import Block, Cache, Request
from workhand.lab.texts import Texts, needs, texts_of
from workhand.lab.trace import Answer, Call, Part, Returned, Said, Trace

REREAD_OUTPUT_TOKENS = 60  # what a model writes to read something again
REREAD_CHARS_MAX = 24_000  # of one slice that is read again
REREADS_PER_CALL_MAX = 4
LOOK_BACK_BLOCKS = 20  # that a provider looks back from a mark
PREFILL_PER_S, CACHED_PER_S, DECODED_PER_S = 8_000, 160_000, 70  # tokens: a model of latency, not a measurement
PREFIX = -1  # the key of the fixed prefix


@dataclass(frozen=True, slots=True)
class Terms:
    """What every policy of a comparison is held to."""

    prices: Prices
    limit_tokens: int  # without the fixed prefix
    prefix_tokens: int
    cold: frozenset[int] = frozenset()  # calls, from 0, before which the cache has expired


@dataclass(slots=True)
class Account:
    """What a session cost under a policy, in tokens; money is in tokens of uncached input."""

    cost: float = 0.0
    uncached: float = 0.0  # what the same requests would cost without any cache
    seconds: float = 0.0  # by the model of latency
    input: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    calls: int = 0  # of the recorded model
    summaries: int = 0  # requests of the policy's own
    breaks: int = 0  # requests that did not begin with the whole one before
    mark_misses: int = 0  # requests in which no mark was near enough to the end of the one before
    rereads: int = 0
    needing: int = 0  # actions that needed something
    needing_shown: float = 0.0  # of those, what share was in the request, added up
    needs: int = 0  # identifiers that actions needed
    needs_shown: int = 0
    needs_behind: int = 0  # not shown, but behind a pointer that is
    over_limit: int = 0
    removed: int = 0  # tokens that were taken out, at the gate or later
    restorable: int = 0  # of those, what a handle gives back
    sizes: list[int] = field(default_factory=list)  # tokens of each recorded call's request, without the prefix


def replay(trace: Trace, begin: Begin, cache: Cache, terms: Terms, *, texts: Texts | None = None) -> Account:
    """Run a trace through a policy."""
    needed = needs(trace)
    texts = texts or Texts(frozenset[str]().union(*needed.values()))
    return _Replay(trace, begin, cache, terms, texts).run(needed)


class _Replay:
    def __init__(self, trace: Trace, begin: Begin, cache: Cache, terms: Terms, texts: Texts) -> None:
        self.trace, self.begin, self.cache, self.terms = trace, begin, cache, terms
        self.texts = texts
        self.account = Account()
        self.prefix = Block(PREFIX, terms.prefix_tokens)
        self.context = begin(texts, self.prefix)
        self.sources: dict[str, Part] = {}  # the latest part that brought an identifier
        self.last: tuple[Block, ...] = ()

    def run(self, needed: dict[int, frozenset[str]]) -> Account:
        for index, part in enumerate(self.trace.parts):
            if isinstance(part, Said) and part.resets:
                self._begin_anew()
            if isinstance(part, Answer):
                self._ask(part, needed.get(index, frozenset()))
            self.context.take(part)
            for text in texts_of(part):
                self.sources.update(dict.fromkeys(self.texts.words(text), part))
        self._begin_anew()
        return self.account

    def _begin_anew(self) -> None:
        """Count what the context has removed, and begin another one, as the recorded agent did."""
        self.account.removed += self.context.removed.tokens
        self.account.restorable += self.context.removed.restorable
        self.context, self.last = self.begin(self.texts, self.prefix), ()

    def _ask(self, answer: Answer, words: frozenset[str]) -> None:
        account = self.account
        request = self._send_reductions(cold=account.calls in self.terms.cold)
        missing = self._missing(words, request)
        if words:
            account.needing += 1
            account.needing_shown += 1 - len(missing) / len(words)
            account.needs += len(words)
            account.needs_shown += len(words) - len(missing)
            account.needs_behind += sum(self._is_behind(word) for word in missing)
        for _ in range(REREADS_PER_CALL_MAX):
            if not missing:
                break
            request = self._read_again(missing[0], request)
            missing = self._missing(words, request)
        account.calls += 1
        size = sum(block.tokens for block in request.blocks) - self.terms.prefix_tokens
        account.sizes.append(size)
        account.over_limit += size > self.terms.limit_tokens
        self._bill(request, sum(self.texts.count(text) for text in texts_of(answer)))

    def _missing(self, words: frozenset[str], request: Request) -> list[str]:
        return self.texts.missing(words, frozenset(block.key for block in request.blocks)) if words else []

    def _is_behind(self, word: str) -> bool:
        """Say whether a pointer that is shown leads to what holds a word."""
        source = self.sources[word]
        return not isinstance(source, Returned) or self.context.points_to(source)

    def _send_reductions(self, *, cold: bool = False) -> Request:
        *own, request = self.context.requests(cold=cold)
        for each in own:
            self.account.summaries += 1
            self._bill(each, each.output_tokens, own=True)
        return request

    def _read_again(self, word: str, request: Request) -> Request:
        """Make one more call that reads what holds a word, and go on with its result."""
        account = self.account
        account.rereads += 1
        self._bill(request, REREAD_OUTPUT_TOKENS)
        whole = "\n".join(texts_of(self.sources[word]))
        start = whole.find(word)
        start = 0 if start < REREAD_CHARS_MAX else start - REREAD_CHARS_MAX // 2
        id = f"again{account.rereads}"
        self.context.take(Answer("", (Call(id, "file_read", "{}"),)))
        self.context.take(Returned(id, whole[start : start + REREAD_CHARS_MAX]), whole=True)
        return self._send_reductions()

    def _bill(self, request: Request, output_tokens: int, *, own: bool = False) -> None:
        account, billed, prices = self.account, self.cache.bill(request), self.terms.prices
        account.cost += billed.cost(prices, output_tokens)
        account.uncached += billed.input + prices.output * output_tokens
        fresh = billed.written + billed.plain
        account.seconds += fresh / PREFILL_PER_S + billed.cached / CACHED_PER_S + output_tokens / DECODED_PER_S
        account.input += billed.input
        account.cached += billed.cached
        account.written += billed.written
        account.output += output_tokens
        if own and request.blocks[: len(self.last)] != self.last:
            return  # a request apart from the session's own breaks nothing of it
        if request.blocks[: len(self.last)] != self.last:
            account.breaks += 1
        elif self.last:
            end = len(self.last) - 1
            account.mark_misses += not any(end <= mark < end + LOOK_BACK_BLOCKS for mark in request.marks)
        self.last = request.blocks
