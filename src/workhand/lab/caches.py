"""What providers' prompt caches would read and write, by their published rules.

Each class takes the requests of one session in order.  All work on whole blocks:
where two blocks differ, nothing of them is shared, although their first tokens
may be equal.  None evicts before a request is cold, and none ever misses what its rule
promises: real caches serve a few points less.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import partial
from itertools import accumulate

from workhand.errors import ConfigError
from workhand.lab.request import Billed, Block, Cache, Request

MINIMUM_TOKENS = 1_024  # of an entry; some models of both providers ask for less or more
OPENAI_STEP_TOKENS = 128


def named(name: str) -> Callable[[], Cache]:
    """Give what makes a cache for one session."""
    if name not in CACHES:
        raise ConfigError(f"There is no cache {name!r}; take one of {', '.join(CACHES)}.")
    return CACHES[name]


class Ideal:
    """Reads the longest prefix that any request since the last cold one has sent, and writes the rest.

    No provider promises this.  It is what policies are compared on, and what ``optimum`` supposes.
    """

    def __init__(self) -> None:
        self._sent = _Sent()

    def bill(self, request: Request) -> Billed:
        if request.cold:
            self._sent = _Sent()
        read = self._sent.tokens(self._sent.add(request.blocks))
        return Billed(read, self._sent.tokens(len(request.blocks)) - read, request.tail_tokens)


class Anthropic:
    """Reads from an entry at or a little before a mark, and writes up to the last mark.

    Claude's prompt caching ("Prompt caching" in Anthropic's documentation, state of November 2026): a request has at
    most four marks; an entry is the exact prefix up to a mark of an earlier request; up to 20 blocks are looked back
    from each mark, and the longest entry found is read; prefixes below a minimum are no entries.  Three things
    are supposed here: the marked block is one of the 20; a mark within what was read makes no entry of its own; a hit
    refreshes every entry, so that a cold request finds none.
    """

    def __init__(self) -> None:
        self._cache = _Marked(looked_at=20, read_marks_max=4, write_marks_max=4)

    def bill(self, request: Request) -> Billed:
        if len(request.marks) > 4:
            raise ConfigError(f"A request has marks at {request.marks!r}; Anthropic takes at most four.")
        return self._cache.bill(request)


class OpenAiMarked:
    """Reads from an entry exactly at a mark, and writes up to the last mark.

    OpenAI's prompt caching since GPT-5.6 in explicit mode ("Prompt caching" in its documentation, state of November
    2026): entries are made at the latest four marks of a request, not rounded; the latest 80 marks are
    looked at, wherever they are, and there is no falling back to a shorter unmarked prefix.  So marks stay where they
    were put, and a new one is added behind what is new.  Supposed as for Anthropic: no entry within what was read.
    """

    def __init__(self) -> None:
        self._cache = _Marked(looked_at=1, read_marks_max=80, write_marks_max=4)

    def bill(self, request: Request) -> Billed:
        return self._cache.bill(request)


class OpenAi:
    """Reads the longest prefix that any earlier request has sent, in steps of 128 tokens from 1,024 on.

    OpenAI's automatic caching as "Prompt caching" in its documentation had it until GPT-5.6; nothing is marked.
    Writing was free then.  With ``writes`` everything that is not read is billed as written, as it is for models since
    GPT-5.6, whose own rule is ``OpenAiMarked``.
    """

    def __init__(self, *, writes: bool) -> None:
        self._sent = _Sent()
        self._writes = writes

    def bill(self, request: Request) -> Billed:
        if request.cold:
            self._sent = _Sent()
        shared = self._sent.tokens(self._sent.add(request.blocks))
        length = self._sent.tokens(len(request.blocks))
        read = shared - shared % OPENAI_STEP_TOKENS if shared >= MINIMUM_TOKENS else 0
        written = length - read if self._writes and length >= MINIMUM_TOKENS else 0
        return Billed(read, written, length - read - written + request.tail_tokens)


class _Marked:
    def __init__(self, *, looked_at: int, read_marks_max: int, write_marks_max: int) -> None:
        self._looked_at = looked_at
        self._read_marks_max = read_marks_max
        self._write_marks_max = write_marks_max
        self._sent = _Sent()
        self._entries: set[int] = set()  # prefixes

    def bill(self, request: Request) -> Billed:
        if request.cold:
            self._entries.clear()
        self._sent.add(request.blocks)
        ends = sorted({mark + 1 for mark in request.marks})
        if ends and not 0 < ends[0] <= ends[-1] <= len(request.blocks):
            raise ConfigError(f"The marks {request.marks!r} are not all among {len(request.blocks)!r} blocks.")
        ends = [end for end in ends if self._sent.tokens(end) >= MINIMUM_TOKENS]
        found = max(map(self._entry_before, ends[-self._read_marks_max :]), default=0)
        self._entries.update(self._sent.prefix(end) for end in ends[-self._write_marks_max :] if end > found)
        read, marked = self._sent.tokens(found), self._sent.tokens(ends[-1] if ends else 0)
        return Billed(read, marked - read, self._sent.tokens(len(request.blocks)) - marked + request.tail_tokens)

    def _entry_before(self, end: int) -> int:
        """Give the end of the longest entry that is looked at from a mark, or 0."""
        for candidate in range(end, max(0, end - self._looked_at), -1):
            if self._sent.prefix(candidate) in self._entries:
                return candidate
        return 0


class _Sent:
    """Numbers every prefix that was sent; what a request shares with the one before is not looked at block by block."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int], int] = {}  # of a prefix, by that of the prefix before and its last block
        self._blocks: tuple[Block, ...] = ()
        self._prefixes = [0]  # of the latest request, by length in blocks
        self._tokens = [0]

    def add(self, blocks: tuple[Block, ...]) -> int:
        """Take a request in, and say how many of its first blocks had been sent before as its prefix."""
        same = _shared(self._blocks, blocks)
        del self._prefixes[same + 1 :], self._tokens[same + 1 :]
        known = same
        for block in blocks[same:]:
            longer = (self._prefixes[-1], block.key)
            known += longer in self._numbers  # behind the first that is not, none is
            self._prefixes.append(self._numbers.setdefault(longer, len(self._numbers) + 1))
        self._tokens[-1:] = accumulate((block.tokens for block in blocks[same:]), initial=self._tokens[-1])
        self._blocks = blocks
        return known

    def prefix(self, length: int) -> int:
        return self._prefixes[length]

    def tokens(self, length: int) -> int:
        return self._tokens[length]


def _shared(one: tuple[Block, ...], other: tuple[Block, ...]) -> int:
    """Count the first blocks that are equal: by halves, as comparing slices is quick."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    return bisect_left(range(1, most + 1), True, key=lambda length: one[:length] != other[:length])


CACHES: dict[str, Callable[[], Cache]] = {
    "lcp": Ideal,
    "anthropic": Anthropic,
    "openai": partial(OpenAi, writes=True),
    "openai-before-5.6": partial(OpenAi, writes=False),
    "openai-marked": OpenAiMarked,
}
