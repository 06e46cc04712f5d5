"""Models of context policies that let a summary stand for what is old.

Each says which release of which system its shape was read from.  A summary has
1,500 tokens, whatever the summariser was shown, except where the system then
writes none.  Who asks with a prompt of its own pays for it: such a request shares
no prefix with the conversation.
"""

from __future__ import annotations

from collections.abc import Sequence

from workhand.lab.policies.contexts import ASK_TOKENS, SUMMARY_TOKENS
from workhand.lab.policies.shown import (
    CHARS_PER_TOKEN,
    Piece,
    Shown,
    apart,
    boundary_before,
    boundary_from,
    newest_within,
)
from workhand.lab.request import Block, Request
from workhand.lab.texts import BLOCK_TOKENS, Texts
from workhand.lab.trace import Answer, Part, Returned, Said


class OpenHands:
    """More than 80 events, or a full window, and all but the first 4 and about the newest half is summarised.

    openhands-sdk 1.58.2 (``context/condenser/llm_summarizing_condenser.py`` with the sizes of the default agent;
    ``event/llm_convertible``; ``llm/llm.py``).  The system prompt, each message, each call and each result is an event;
    the newest 35 of 80 stay, or fewer if it takes more to come down to half of the window.  Cuts move forward to where
    they separate no call from its result; where less than a tenth of the events could go nothing happens, unless the
    window is full: then everything is summarised.  The summariser is shown 500 characters of every event and no
    arguments, in a prompt of its own.  The agent cannot read what is gone.
    Marks: the system prompt, and the newest message that is not the model's; the summariser's only message, too.
    """

    EVENTS_MAX = 80
    KEEP_FIRST = 4
    PROGRESS_MIN = 0.1
    PREVIEW_CHARS = 500

    def __init__(self, texts: Texts, prefix: Block, *, limit: int) -> None:
        self._shown = Shown(texts, prefix)
        self.removed = self._shown.removed
        self._limit = limit

    def take(self, part: Part, *, whole: bool = False) -> None:
        self._shown.add(part)

    def requests(self, *, cold: bool) -> tuple[Request, ...]:
        shown = self._shown
        start, end = self._forgotten()
        if start >= end:
            return (shown.request(cold=cold, marks="user"),)
        events = map(shown.texts.block, map(self._event, shown.pieces[start:end]))
        blocks = tuple(events)
        asked = Request(blocks, (len(blocks) - 1,), ASK_TOKENS, SUMMARY_TOKENS, cold)
        self.removed.events += 1
        shown.fold(start, end, (shown.summary(),))
        return (asked, shown.request(cold=False, marks="user"))

    def points_to(self, part: Returned) -> bool:
        return False

    def _forgotten(self) -> tuple[int, int]:
        """Give from which piece on and up to which a summary is due."""
        pieces = self._shown.pieces
        ends = [1]  # events up to the end of each piece, after the system prompt
        for piece in pieces:
            ends.append(ends[-1] + max(1, len(piece.calls)))
        too_many, too_large = ends[-1] > self.EVENTS_MAX, self._shown.tokens > self._limit
        if not too_many and not too_large:
            return 0, 0
        first = self.KEEP_FIRST
        upto = ends[-1] - (self.EVENTS_MAX // 2 - first - 1) if too_many else 0
        if too_large:
            upto = max(upto, self._needed(ends))
        start = boundary_from(pieces, _piece_at(ends, first))
        end = boundary_from(pieces, _piece_at(ends, upto))
        if start < end and ends[end] - ends[start] >= self.PROGRESS_MIN * ends[-1]:
            return start, end
        return (0, len(pieces)) if too_large else (0, 0)

    def _needed(self, ends: Sequence[int]) -> int:
        """Give the event up to which all must go, from the fifth on, to come down to half of the window."""
        excess = self._shown.tokens - self._limit // 2
        for index, piece in enumerate(self._shown.pieces):
            if ends[index] < self.KEEP_FIRST:
                continue
            excess -= piece.tokens
            if excess < 0:
                return ends[index + 1]
        return ends[-1]

    def _event(self, piece: Piece) -> str:
        match piece.part:
            case Answer(text, calls):
                return "\n".join((text[: self.PREVIEW_CHARS], *(call.tool for call in calls)))
            case Said(_, text) | Returned(_, text):
                return text[: self.PREVIEW_CHARS]
            case None:
                return " the" * (self.PREVIEW_CHARS // 4)  # the summary before


def _piece_at(ends: Sequence[int], event: int) -> int:
    """Give the first piece before which there are at least so many events."""
    return next((index for index, before in enumerate(ends) if before >= event), len(ends) - 1)


class Codex:
    """At .9 of the limit everything goes but what the user said, and a summary.

    The local compaction of Codex CLI (``codex-rs/core/src/compact.rs`` as of mid 2026; read, not run).  The messages of
    the user stay newest first up to 20,000 estimated tokens, the last of them cut; calls, results, answers and earlier
    summaries go, and nothing leads back to them.  The model is asked behind the conversation itself, so that the cache
    serves.
    Marks: it speaks to OpenAI only, whose caching needs none; judged as if the system prompt and the end were marked.
    """

    TRIGGER = 0.9
    USER_TOKENS_MAX = 20_000

    def __init__(self, texts: Texts, prefix: Block, *, limit: int) -> None:
        self._shown = Shown(texts, prefix)
        self.removed = self._shown.removed
        self._trigger = int(limit * self.TRIGGER)

    def take(self, part: Part, *, whole: bool = False) -> None:
        self._shown.add(part)

    def requests(self, *, cold: bool) -> tuple[Request, ...]:
        shown = self._shown
        before = shown.request(cold=cold, marks="tail")
        if shown.tokens < self._trigger or all(piece.role in ("user", "summary") for piece in shown.pieces):
            return (before,)
        asked = Request(before.blocks, before.marks, ASK_TOKENS, SUMMARY_TOKENS, cold)
        self.removed.events += 1
        shown.fold(0, len(shown.pieces), (*self._messages(), shown.summary()))
        return (asked, shown.request(cold=False, marks="tail"))

    def points_to(self, part: Returned) -> bool:
        return False

    def _messages(self) -> list[Piece]:
        kept: list[Piece] = []
        left = self.USER_TOKENS_MAX * CHARS_PER_TOKEN  # in bytes
        for piece in reversed(self._shown.pieces):
            if left <= 0:
                break
            if isinstance(piece.part, Said):
                content = piece.part.text.encode(errors="replace")
                half = left // 2
                ends = content[:half].decode(errors="ignore"), content[-half:].decode(errors="ignore")
                fits = len(content) <= left
                kept.append(piece if fits else self._shown.form(piece, " [cut] ".join(ends)))
                left -= len(content)
        return kept[::-1]


class LangChain:
    """At the limit all but the newest 20 messages is summarised, from at most 4,000 tokens of it.

    ``SummarizationMiddleware`` of langchain 1.5.2 (``agents/middleware/summarization.py``; ``trim_messages`` of
    langchain-core).  The summariser is shown the newest 4,000 tokens of what goes, beginning with a message of the
    user (an earlier summary is one).  An agent at work gets none for a long time, so that most often nothing is left:
    then no model is asked, and one fixed sentence stands for all that is gone.  Nothing leads back.
    Marks: those of ``AnthropicPromptCachingMiddleware`` (langchain-anthropic 1.7.10), the system prompt and one
    automatic mark at the end; none to summarise.
    """

    KEPT_MESSAGES = 20
    SEEN_TOKENS_MAX = 4_000

    def __init__(self, texts: Texts, prefix: Block, *, limit: int) -> None:
        self._shown = Shown(texts, prefix)
        self.removed = self._shown.removed
        self._limit = limit

    def take(self, part: Part, *, whole: bool = False) -> None:
        self._shown.add(part)

    def requests(self, *, cold: bool) -> tuple[Request, ...]:
        shown = self._shown
        end = boundary_before(shown.pieces, len(shown.pieces) - self.KEPT_MESSAGES)
        if shown.tokens < self._limit or end <= 0:
            return (shown.request(cold=cold, marks="tail"),)
        seen = self._seen(shown.pieces[:end])
        asked = (apart(seen, cold=cold),) if seen else ()
        self.removed.events += 1
        shown.fold(0, end, (shown.summary() if seen else shown.summary("too long to summarise", tokens=0),))
        return (*asked, shown.request(cold=cold and not seen, marks="tail"))

    def points_to(self, part: Returned) -> bool:
        return False

    def _seen(self, pieces: list[Piece]) -> list[Piece]:
        start = newest_within(pieces, self.SEEN_TOKENS_MAX)
        seen = pieces[start:]
        left = self.SEEN_TOKENS_MAX - sum(piece.tokens for piece in seen) - BLOCK_TOKENS
        if start and left > 0 and isinstance(part := pieces[start - 1].part, Said):
            seen.insert(0, self._shown.form(pieces[start - 1], part.text[-left * CHARS_PER_TOKEN :]))
        first = next((index for index, piece in enumerate(seen) if piece.role in ("user", "summary")), len(seen))
        return seen[first:]
