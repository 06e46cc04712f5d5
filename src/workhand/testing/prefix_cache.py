"""What a provider's prompt cache would have served, counted exactly.

Where requests have no marks, that is the longest beginning that an earlier request had, to the byte.
Where they have, an entry ends behind a marked block and nowhere else, and a request finds it only if
it marks a block itself that is not too many blocks behind.  No entry is ever dropped for its age.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from hashlib import sha256
from itertools import accumulate

from workhand.testing.exchange import BYTES_PER_TOKEN, Asked, Block, Used, tokens

REMEMBERED_MAX = 64  # requests
ENTRIES_MAX = 4_096


class PrefixCache:
    """The cache of one model."""

    def __init__(self, tokens_min: int) -> None:
        self._tokens_min = tokens_min
        self._read: deque[bytes] = deque(maxlen=REMEMBERED_MAX)
        self._entries: OrderedDict[bytes, None] = OrderedDict()  # digests of what they begin with

    def used(self, asked: Asked) -> Used:
        """Count a request, and remember it."""
        if asked.look_back is None:
            return self._longest(asked.blocks)
        return self._marked(asked.blocks, asked.look_back)

    def _longest(self, blocks: tuple[Block, ...]) -> Used:
        content = b"\n".join(block.content for block in blocks)
        cached = max((_shared(content, before) for before in self._read), default=0) // BYTES_PER_TOKEN
        self._read.append(content)
        return Used(tokens(content), cached if cached >= self._tokens_min else 0)

    def _marked(self, blocks: tuple[Block, ...], look_back: int) -> Used:
        ends = list(accumulate(tokens(block.content) for block in blocks))
        digests = _digests(blocks)
        marks = [at for at, block in enumerate(blocks) if block.mark and ends[at] >= self._tokens_min]
        found = {
            at for mark in marks for at in range(mark, max(-1, mark - look_back), -1) if digests[at] in self._entries
        }
        cached = at = ends[max(found)] if found else 0
        written = {"short": 0, "long": 0}
        for mark in marks:
            written[blocks[mark].mark] += max(0, ends[mark] - at)
            at = max(at, ends[mark])
            self._entries[digests[mark]] = None
        while len(self._entries) > ENTRIES_MAX:
            self._entries.popitem(last=False)
        return Used(ends[-1] if ends else 0, cached, sum(written.values()), written["long"])


def _digests(blocks: tuple[Block, ...]) -> list[bytes]:
    """Give for each block the digest of all up to it."""
    digests: list[bytes] = []
    read = sha256()
    for block in blocks:
        read.update(len(block.content).to_bytes(8) + block.content)
        digests.append(read.digest())
    return digests


def _shared(one: bytes, other: bytes) -> int:
    """Count the bytes with which both begin, by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
