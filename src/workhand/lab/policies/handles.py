"""What stands behind the handles that Workhand shows, looked up and compared, never assumed.

The runtime puts every original where its handle says: results as they come, calls
when they are compacted, the history before it is summarised.  Here the same texts
are kept under the same paths.  A text counts as restorable only if what is shown
names a path, and what is kept there holds that very text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from workhand.core import compact
from workhand.core.events import ModelAnswered, ToolCall, ToolReturned, UserSaid
from workhand.core.log import Entry
from workhand.core.summary import message_text
from workhand.core.transcript import transcript

PATH = re.compile(r"\.workhand/(?:results|calls|history)/[^\s\];:,]*\w")  # a recorded tool may be called ./tool


class Handles:
    def __init__(self) -> None:
        self._kept: dict[str, str] = {}
        self._results: dict[str, str] = {}  # as they came, by call

    def result(self, call: str, original: str, path: str | None) -> None:
        """Take what a call brought, and the path at which it is kept, if it is."""
        self._results[call] = original
        if path is not None:
            self._kept[path] = original

    def calls(self, calls: Iterable[ToolCall]) -> None:
        """Keep calls as the model wrote them."""
        self._kept.update((compact.path(call), call.arguments) for call in calls)

    def history(self, path: str, entries: Iterable[Entry]) -> None:
        """Keep what a summary will stand for."""
        self._kept[path] = transcript(entries)

    def give_back(self, shown: str, original: str) -> bool:
        """Say whether a path in what is shown leads to a text."""
        return any(original in self._kept.get(path, "") for path in PATH.findall(shown))

    def gives_result(self, shown: str, call: str) -> bool:
        """Say whether a path in what is shown leads to what a call brought."""
        return self.give_back(shown, self._results[call])

    def history_gives(self, path: str, entry: Entry) -> bool:
        """Say whether a kept history holds what an entry said, or the path of it."""
        history = self._kept.get(path, "")
        match entry.event:
            case UserSaid() as said:
                return message_text(said) in history
            case ModelAnswered(text, calls):
                return text in history and all(call.arguments in history for call in calls)
            case ToolReturned(call, seen):
                original = self._results[call]
                named = seen.path is not None and seen.path in history
                return original in history or (named and self._kept.get(seen.path or "") == original)
        return True  # nothing else of a log is shown
