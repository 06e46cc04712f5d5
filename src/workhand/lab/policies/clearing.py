"""Models of context policies that take results or history away without a summary.

Each says which release of which system its shape was read from.  All of them keep
calls with their results: a result that is cleared leaves a text in its place.
"""

from __future__ import annotations

from workhand.lab.policies.shown import Piece, Shown, boundary_before, boundary_from, newest_within
from workhand.lab.request import Block, Request
from workhand.lab.texts import Texts
from workhand.lab.trace import Part, Returned

CLEARED = "[cleared]"
KEPT_FULL = 3  # of the newest results, where a system states no other number


class Clear:
    """Past the limit all results but the newest ``keep`` are cleared, for good and without a pointer.

    The shape of Anthropic's server-side ``clear_tool_uses_20250919`` (platform.claude.com, "Context editing", as read
    in November 2026; parameters as in ``anthropic`` 2.12.0): it keeps 3 results, clears at a number of input tokens,
    and not at all where that would win less than ``clear_at_least``.  Supposed, since it is not published: the server
    remembers what it has cleared.  Marks: the system prompt, and one automatic mark at the end.
    """

    def __init__(self, texts: Texts, prefix: Block, *, limit: int, keep: int, clear_at_least: int = 0) -> None:
        self._shown = Shown(texts, prefix)
        self.removed = self._shown.removed
        self._limit = limit
        self._keep = keep
        self._clear_at_least = clear_at_least

    def take(self, part: Part, *, whole: bool = False) -> None:
        self._shown.add(part)

    def requests(self, *, cold: bool) -> tuple[Request, ...]:
        shown = self._shown
        if shown.tokens > self._limit:
            chosen = _stale(shown.pieces, self._keep)
            forms = {index: shown.form(shown.pieces[index], CLEARED) for index in chosen}
            won = sum(shown.pieces[index].tokens - form.tokens for index, form in forms.items())
            if won > 0 and won >= self._clear_at_least:
                self.removed.events += 1
                for index, form in forms.items():
                    shown.put(index, form, restorable=False)
        return (shown.request(cold=cold, marks="tail"),)

    def points_to(self, part: Returned) -> bool:
        return False


class Moving:
    """Past the limit every request shows all results but the newest ``keep`` as cleared; nothing is persisted.

    ``ContextEditingMiddleware`` of langchain 1.5.2 (``agents/middleware/context_editing.py``) edits a copy at every
    call, and counts what was never cleared.  So past the limit the cut moves with every result, and the cache breaks
    each time; an event here is a request whose cut has moved.  The state keeps the results, but the model has no way
    to them.  Marks: those of ``AnthropicPromptCachingMiddleware`` of langchain-anthropic 1.7.10, the system prompt and
    one automatic mark at the end.
    """

    def __init__(self, texts: Texts, prefix: Block, *, limit: int, keep: int) -> None:
        self._shown = Shown(texts, prefix)
        self.removed = self._shown.removed
        self._limit = limit
        self._keep = keep
        self._cleared: dict[int, Piece] = {}

    def take(self, part: Part, *, whole: bool = False) -> None:
        self._shown.add(part)

    def requests(self, *, cold: bool) -> tuple[Request, ...]:
        shown = self._shown
        if shown.tokens <= self._limit:
            return (shown.request(cold=cold, marks="tail"),)
        moved = [index for index in _stale(shown.pieces, self._keep) if index not in self._cleared]
        self.removed.events += bool(moved)
        for index in moved:
            self._cleared[index] = form = shown.form(shown.pieces[index], CLEARED)
            shown.took_out(shown.pieces[index].tokens - form.tokens, restorable=False)
        edited = [self._cleared.get(index, piece) for index, piece in enumerate(shown.pieces)]
        return (shown.request(cold=cold, marks="tail", pieces=edited),)

    def points_to(self, part: Returned) -> bool:
        return False


class OldestHalf:
    """At the limit the oldest half of the results that are still full becomes pointers, for good.

    The rule that Manus has described (manus.im, "Context Engineering for AI Agents", 2025-07, and the talk with
    LangChain of 2025-10): compact the oldest half, keep the newest calls full so that the model does not take up the
    short form, keep what leads back.  It is closed, so that the newest 3 stay and how a pointer reads are choices made
    here.  Marks: at least the system prompt, says the same text; and the end, supposed.
    """

    def __init__(self, texts: Texts, prefix: Block, *, limit: int) -> None:
        self._shown = Shown(texts, prefix)
        self.removed = self._shown.removed
        self._limit = limit
        self._pointers: set[str] = set()

    def take(self, part: Part, *, whole: bool = False) -> None:
        self._shown.add(part)

    def requests(self, *, cold: bool) -> tuple[Request, ...]:
        shown = self._shown
        if shown.tokens > self._limit:
            forms = {index: self._pointer(shown.pieces[index]) for index in _stale(shown.pieces, KEPT_FULL)}
            shorter = [index for index, form in forms.items() if form.tokens < shown.pieces[index].tokens]
            chosen = shorter[: (len(shorter) + KEPT_FULL + 1) // 2]
            self.removed.events += bool(chosen)
            for index in chosen:
                self._pointers.add(shown.pieces[index].call)
                shown.put(index, forms[index], restorable=True)
        return (shown.request(cold=cold, marks="tail"),)

    def points_to(self, part: Returned) -> bool:
        return part.call in self._pointers

    def _pointer(self, piece: Piece) -> Piece:
        return self._shown.form(piece, f"[compacted: the whole result is in the file results/{piece.call}.txt]")


class Drop:
    """At the limit everything goes but the newest pieces that fit into half of it.

    No system's: the simplest thing that holds a window, and what a sliding window without a summary comes to.
    Marks: the system prompt and the end.
    """

    def __init__(self, texts: Texts, prefix: Block, *, limit: int) -> None:
        self._shown = Shown(texts, prefix)
        self.removed = self._shown.removed
        self._limit = limit

    def take(self, part: Part, *, whole: bool = False) -> None:
        self._shown.add(part)

    def requests(self, *, cold: bool) -> tuple[Request, ...]:
        shown = self._shown
        if shown.tokens > self._limit:
            pieces = shown.pieces
            start = boundary_from(pieces, newest_within(pieces, self._limit // 2))
            if start == len(pieces):  # not even the newest call and its results fit
                start = boundary_before(pieces, len(pieces) - 1)
            self.removed.events += start > 0
            shown.fold(0, start)
        return (shown.request(cold=cold, marks="tail"),)

    def points_to(self, part: Returned) -> bool:
        return False


def _stale(pieces: list[Piece], keep: int) -> list[int]:
    """Give the indices of the full results that are older than the newest ``keep``."""
    results = [index for index, piece in enumerate(pieces) if piece.role == "result"]
    return [index for index in results[: max(0, len(results) - keep)] if pieces[index].full]
