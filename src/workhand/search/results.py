"""How the model asks for a search, and what it is shown: a short list, and a file with all of it."""

from __future__ import annotations

from workhand.core import canonical
from workhand.core.canonical import Json
from workhand.core.policy import ToolSpec
from workhand.search import LIMIT_MAX, Hit, Query

SHOWN = 5
TITLE_CHARS_SHOWN = 80


def search_web() -> ToolSpec:
    """Give the function as the model sees it."""
    properties: dict[str, Json] = {
        "query": {"type": "string", "minLength": 1, "maxLength": 400, "description": "the words of what is looked for"},
        "limit": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "description": "default 10"},
        "since": {"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}$", "description": "only from this day on"},
    }
    schema: Json = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "required": ["query"],
    }
    description = "Search the web, or the documents that were set up for it. Results go to a file; the best are shown."
    return ToolSpec("search_web", description, canonical.encode(schema).decode(), "pure")


def as_file(query: Query, hits: tuple[Hit, ...]) -> str:
    """Write all results as Markdown."""
    asked = f"{query.text}{f', since {query.since}' if query.since else ''}"
    lines = [f"# Search: {asked}", ""]
    for number, hit in enumerate(hits, 1):
        day = f" ({hit.published})" if hit.published else ""
        lines += [
            f"{number}. [{_bracketed(hit.title)}](<{hit.url}>){day}",
            *([f"   {hit.snippet}"] if hit.snippet else []),
        ]
    return "\n".join([*lines, "" if hits else "Nothing was found."]).rstrip("\n") + "\n"


def in_short(query: Query, hits: tuple[Hit, ...], path: str) -> str:
    """Say what was found in a few lines; the file at ``path`` has all of it."""
    if not hits:
        return f"nothing found for {query.text!r}; use fewer or other words"
    lines = [f"{number}. {_cut(hit.title)}: {hit.url}" for number, hit in enumerate(hits[:SHOWN], 1)]
    count = f"{len(hits)} result{'' if len(hits) == 1 else 's'}"
    return "\n".join([f"{count} for {query.text!r}, with snippets in {path}", *lines])


def _cut(title: str) -> str:
    return title if len(title) <= TITLE_CHARS_SHOWN else title[: TITLE_CHARS_SHOWN - 1] + "…"


def _bracketed(title: str) -> str:
    return title.replace("[", "(").replace("]", ")")
