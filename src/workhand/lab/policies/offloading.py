"""Models of context policies that keep large results out, and summarise when that is not enough.

Each says which release of which system its shape was read from.  A large result
enters as a preview with what leads back to the whole, which breaks no cache.
"""

from __future__ import annotations

import json
import re

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
from workhand.lab.trace import Answer, Call, Part, Returned


class DeepAgents:
    """Very large results go to a file at once; near the limit long arguments are cut, and then history is summarised.

    deepagents 0.7.32 (``middleware/filesystem.py``, ``_message_eviction.py``, ``summarization.py``).  A result over
    20,000 estimated tokens enters as 5 head and 5 tail lines of at most 1,000 characters and the path of the whole,
    unless a tool for files brought it.  From .85 of the limit on, arguments of calls that write or edit files and are
    older than the newest .10 of the limit are cut: those over 2,000 characters to their first 20, in a copy, at every
    call.  If that is not enough, all but that newest .10 is summarised, and appended to a file that the summary names;
    what a cut argument said is in no such file.  The summariser gets all of it in a fresh prompt.
    Tools are known by how their names end, as the name of a server may stand before.  Left out: messages of the user
    over 50,000 tokens, which are offloaded too, media, and the last resort after an overflow.
    Marks: those of ``AnthropicPromptCachingMiddleware`` (langchain-anthropic 1.7.10), the system prompt and one
    automatic mark at the end; none to summarise.
    """

    OFFLOADED_TOKENS = 20_000
    LINES = 5
    LINE_CHARS = 1_000
    OF_FILES = re.compile(r"(^|[-_])(ls|glob|grep|read_file|edit_file|write_file|delete)$")
    WRITES = re.compile(r"(^|[-_])(write|edit)_file$")
    TRIGGER = 0.85
    KEPT = 0.10
    ARGUMENT_CHARS_MAX = 2_000
    CUT_CHARS = 20

    def __init__(self, texts: Texts, prefix: Block, *, limit: int) -> None:
        self._shown = Shown(texts, prefix)
        self.removed = self._shown.removed
        self._trigger = int(limit * self.TRIGGER)
        self._kept = int(limit * self.KEPT)
        self._tools: dict[str, str] = {}
        self._behind: set[str] = set()  # calls whose results are in a file that is named
        self._short: dict[str, Piece] = {}  # answers with cut arguments, by their first call
        self._cut: set[str] = set()  # of those, what has been shown so

    def take(self, part: Part, *, whole: bool = False) -> None:
        piece = self._shown.add(part)
        if isinstance(part, Answer):
            self._tools.update((call.id, call.tool) for call in part.calls)
            texts = [each for each in (part.text, *map(self._call, part.calls)) if each]
            short = self._shown.form(piece, *texts)
            if short.tokens < piece.tokens:
                self._short[piece.calls[0]] = short
        elif isinstance(part, Returned) and not whole and self._is_offloaded(part):
            self._behind.add(part.call)
            self._shown.put(-1, self._shown.form(piece, self._preview(part)), restorable=True)

    def requests(self, *, cold: bool) -> tuple[Request, ...]:
        shown = self._shown
        if shown.tokens < self._trigger:
            return (shown.request(cold=cold, marks="tail"),)
        edited = self._edited()
        left = shown.tokens - sum(old.tokens - new.tokens for old, new in zip(shown.pieces, edited, strict=True))
        end = boundary_before(edited, min(newest_within(edited, self._kept), len(edited) - 1))
        if left < self._trigger or end <= 0:
            return (shown.request(cold=cold, marks="tail", pieces=edited),)
        asked = apart(edited[:end], cold=cold)
        self.removed.events += 1
        shown.show([*edited[:end], *shown.pieces[end:]])
        summary = shown.summary("the whole is in conversation_history/session.md")
        gone = shown.fold(0, end, (summary,), restorable=True)
        self._behind.update(piece.call for piece in gone if piece.call)
        return (asked, shown.request(cold=False, marks="tail"))

    def points_to(self, part: Returned) -> bool:
        return part.call in self._behind

    def _is_offloaded(self, part: Returned) -> bool:
        large = len(part.text) > self.OFFLOADED_TOKENS * CHARS_PER_TOKEN
        return large and not self.OF_FILES.search(self._tools.get(part.call, ""))

    def _edited(self) -> list[Piece]:
        """Give the pieces as the next request shows them: with cut arguments where they are old."""
        pieces = self._shown.pieces
        old = newest_within(pieces, self._kept)
        edited = [self._short.get(piece.calls[0], piece) if piece.calls else piece for piece in pieces[:old]]
        moved = False
        for long, short in zip(pieces, edited, strict=False):
            if short is not long and short.calls[0] not in self._cut:
                moved = True
                self._cut.add(short.calls[0])
                self._shown.took_out(long.tokens - short.tokens, restorable=False)
        self.removed.events += moved
        return [*edited, *pieces[old:]]

    def _call(self, call: Call) -> str:
        return f"{call.tool}\n{'' if call.in_text else self._arguments(call)}"

    def _arguments(self, call: Call) -> str:
        """Give a call's arguments with those cut that are long, if it writes a file."""
        if len(call.arguments) <= self.ARGUMENT_CHARS_MAX or not self.WRITES.search(call.tool):
            return call.arguments
        try:
            stated = json.loads(call.arguments)
        except ValueError:
            return call.arguments
        if not isinstance(stated, dict):
            return call.arguments
        cut = {
            key: f"{value[: self.CUT_CHARS]} [cut]" if self._is_long(value) else value for key, value in stated.items()
        }
        return json.dumps(cut, ensure_ascii=False) if cut != stated else call.arguments

    def _is_long(self, value: object) -> bool:
        return isinstance(value, str) and len(value) > self.ARGUMENT_CHARS_MAX

    def _preview(self, part: Returned) -> str:
        lines = part.text.splitlines()
        numbered = [f"{number:6}\t{line[: self.LINE_CHARS]}" for number, line in enumerate(lines, 1)]
        if len(lines) > 2 * self.LINES:
            left_out = f"... [{len(lines) - 2 * self.LINES} lines left out] ..."
            numbered = [*numbered[: self.LINES], left_out, *numbered[-self.LINES :]]
        note = f"This result is too large. The whole is in large_tool_results/{part.call}: read it in parts."
        return "\n".join((note, *numbered))


class Strands:
    """Results over 1,500 tokens enter as a preview; near the limit all but the newest 4 messages is summarised.

    strands-agents 1.62.0 with ``context_manager="auto"`` (``_context_manager/context_manager.py``,
    ``strategies/offload``, ``methods``, ``retrieval_tool.py``).  A preview is 3,000 characters, .6 of them head, with a
    reference for a retrieval tool; failures, and what that tool brings, enter whole.  At .85 of the limit the messages
    between the first and the newest 4 are summarised, where the results of one answer are one message.  The summary
    names no reference, so what it stands for, and what the previews in it led to, can no longer be fetched.
    The summariser gets all of it in a fresh prompt.  Left out: the last resort when the window is still overfull.
    Marks: none, unless a ``cache_config`` is set, which is not the default (``models/anthropic.py``).
    """

    PREVIEWED_TOKENS = 1_500
    PREVIEW_CHARS = 750 * CHARS_PER_TOKEN
    HEAD_SHARE = 0.6
    TRIGGER = 0.85
    KEPT_MESSAGES = 4

    def __init__(self, texts: Texts, prefix: Block, *, limit: int) -> None:
        self._shown = Shown(texts, prefix)
        self.removed = self._shown.removed
        self._trigger = int(limit * self.TRIGGER)
        self._previews: dict[str, int] = {}  # tokens behind the reference that is shown for a call

    def take(self, part: Part, *, whole: bool = False) -> None:
        piece = self._shown.add(part)
        if not isinstance(part, Returned) or whole or not part.ok:
            return
        if piece.tokens - BLOCK_TOKENS > self.PREVIEWED_TOKENS and len(part.text) > self.PREVIEW_CHARS:
            form = self._shown.form(piece, self._preview(part))
            if form.tokens < piece.tokens:
                self._previews[part.call] = piece.tokens - form.tokens
                self._shown.put(-1, form, restorable=True)

    def requests(self, *, cold: bool) -> tuple[Request, ...]:
        shown = self._shown
        start, end = self._old() if shown.tokens >= self._trigger else (0, 0)
        if start >= end:
            return (shown.request(cold=cold, marks="none"),)
        asked = apart(shown.pieces[start:end], cold=cold)
        self.removed.events += 1
        for piece in shown.fold(start, end, (shown.summary(),)):
            self.removed.restorable -= self._previews.pop(piece.call, 0)
        return (asked, shown.request(cold=False, marks="none"))

    def points_to(self, part: Returned) -> bool:
        return part.call in self._previews

    def _old(self) -> tuple[int, int]:
        """Give from which piece on and up to which a summary is due."""
        pieces = self._shown.pieces
        messages = [index for index, piece in enumerate(pieces) if not index or not _joined(pieces[index - 1], piece)]
        if len(messages) < self.KEPT_MESSAGES + 2:
            return 0, 0
        end = boundary_from(pieces, messages[-self.KEPT_MESSAGES])
        if end > messages[-1]:  # the newest message always stays, and so does the call that it answers
            end = boundary_before(pieces, messages[-self.KEPT_MESSAGES])
        return boundary_from(pieces, messages[1]), end

    def _preview(self, part: Returned) -> str:
        head = int(self.PREVIEW_CHARS * self.HEAD_SHARE)
        tail = self.PREVIEW_CHARS - head
        left_out = f"[... {len(part.text) - self.PREVIEW_CHARS:,} chars left out ...]"
        size = f"[cut from about {len(part.text) // CHARS_PER_TOKEN:,} tokens]"
        return "\n\n".join((size, part.text[:head], left_out, part.text[-tail:], f"[stashed: {part.call}]"))


def _joined(before: Piece, piece: Piece) -> bool:
    """Say whether two pieces are one message: results of one answer are, and a summary is put to the answer behind."""
    return (before.role, piece.role) in (("result", "result"), ("summary", "answer"))
