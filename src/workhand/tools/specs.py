"""The level-1 functions as the model sees them.

One fixed list, in one order, for every session: its bytes are the first thing
in every prompt, so a change here empties every cache.  Descriptions say what a
caller must know and nothing else; each is under a golden test.  The argument
classes beside the functions mirror these schemas, and a test compares the two.
"""

from __future__ import annotations

from workhand.core import canonical
from workhand.core.canonical import Json
from workhand.core.policy import Effect, ToolSpec
from workhand.core.searching import LIMIT_MAX
from workhand.tools.browser import ACTIONS, FORMS

PATH: Json = {"type": "string", "maxLength": 1000, "description": "relative to the workspace, or absolute"}
SHELL: Json = {"type": "string", "maxLength": 40, "description": "name of the shell; default main"}


def specs() -> tuple[ToolSpec, ...]:
    """Give the tools in the order in which every prompt lists them."""
    return (*_speaking(), *_files(), *_sights(), *_shells(), *_pages())


def few_specs() -> tuple[ToolSpec, ...]:
    """Give the tools for a model that more of them would confuse: those that need nothing but the machine."""
    return (*_speaking(), *_files(), *_shells())


def _speaking() -> tuple[ToolSpec, ...]:
    return (
        _spec(
            "plan_update",
            "State the plan: the goal, all phases in order, how many are done. Call it first, and when a phase ends.",
            {
                "goal": {"type": "string", "maxLength": 600, "description": "what will be delivered, in one sentence"},
                "phases": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 30,
                    "items": {"type": "string", "minLength": 1, "maxLength": 200},
                },
                "done": {"type": "integer", "minimum": 0, "maximum": 30, "description": "number of finished phases"},
                "weights": {
                    "type": "array",
                    "maxItems": 30,
                    "items": {"type": "integer", "minimum": 1, "maximum": 9},
                    "description": "how much each phase matters; default 1",
                },
            },
            ("goal", "phases", "done"),
            "pure",
        ),
        _spec(
            "message_info",
            "Tell the user something without stopping: progress, or an acknowledgement of what they said.",
            {"text": {"type": "string", "maxLength": 8000}},
            ("text",),
            "idempotent",
        ),
        _spec(
            "message_ask",
            "Ask the user a question and wait. Only when the work cannot go on without the answer.",
            {"text": {"type": "string", "maxLength": 8000}},
            ("text",),
            "idempotent",
        ),
        _spec(
            "message_result",
            "Deliver the result and end the task. Attach every file that belongs to it.",
            {
                "text": {"type": "string", "maxLength": 20000},
                "attachments": {"type": "array", "maxItems": 50, "items": PATH},
            },
            ("text",),
            "idempotent",
        ),
    )


def _files() -> tuple[ToolSpec, ...]:
    return (
        _spec(
            "file_read",
            "Read a text file, or a slice of it: `limit` lines from line `offset`.",
            {
                "path": PATH,
                "offset": {"type": "integer", "minimum": 1, "description": "first line, default 1"},
                "limit": {"type": "integer", "minimum": 1, "maximum": 2000, "description": "lines, default 400"},
            },
            ("path",),
            "pure",
        ),
        _spec(
            "file_write",
            "Write a file, replacing what is there; directories are made.",
            {"path": PATH, "content": {"type": "string"}},
            ("path", "content"),
            "idempotent",
        ),
        _spec(
            "file_edit",
            "Replace a piece of text in a file. `old` must occur exactly once, unless `every` is true.",
            {
                "path": PATH,
                "old": {"type": "string", "minLength": 1},
                "new": {"type": "string"},
                "every": {"type": "boolean"},
            },
            ("path", "old", "new"),
            "effect",
        ),
        _spec(
            "file_find",
            "Find files by a glob, or lines by a regular expression in the files that match the glob.",
            {
                "glob": {"type": "string", "maxLength": 300, "description": "such as **/*.py; default all files"},
                "regex": {"type": "string", "maxLength": 1000, "description": "lines to look for; without it, files"},
                "path": {"type": "string", "maxLength": 1000, "description": "directory to search; default ."},
            },
            (),
            "pure",
        ),
    )


def _sights() -> tuple[ToolSpec, ...]:
    return (
        _spec(
            "file_view",
            "Look at a picture, or at a page of a PDF or other document.",
            {
                "path": PATH,
                "page": {"type": "integer", "minimum": 1, "description": "default 1"},
            },
            ("path",),
            "pure",
        ),
    )


def _shells() -> tuple[ToolSpec, ...]:
    return (
        _spec(
            "shell_run",
            "Run a bash command in a persistent shell (directory, variables and jobs stay). "
            "What still runs after timeout_s goes on in the background: see shell_view.",
            {
                "command": {"type": "string", "minLength": 1, "maxLength": 20000},
                "shell": SHELL,
                "timeout_s": {"type": "integer", "minimum": 1, "maximum": 600, "description": "default 60"},
            },
            ("command",),
            "effect",
        ),
        _spec(
            "shell_view",
            "See what a shell has shown since you last looked; wait up to wait_s for its command to end.",
            {
                "shell": SHELL,
                "wait_s": {"type": "integer", "minimum": 0, "maximum": 600, "description": "default 0"},
            },
            (),
            "idempotent",
        ),
        _spec(
            "shell_input",
            "Type text into a shell whose command waits for input. End with \\n to press Enter; \\u0003 is Ctrl-C.",
            {"text": {"type": "string", "maxLength": 8000}, "shell": SHELL},
            ("text",),
            "effect",
        ),
    )


def _pages() -> tuple[ToolSpec, ...]:
    return (
        _spec(
            "browser_open",
            "Open a web address. The page comes as lines; [ref=e12] names a thing for browser_act.",
            {
                "url": {"type": "string", "minLength": 1, "maxLength": 4000},
                "tab": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": 8,
                    "description": "a new number opens one more; default 0",
                },
            },
            ("url",),
            "idempotent",
        ),
        _spec(
            "browser_view",
            "Show the current page again: its things with refs, what it says, or how it looks.",
            {
                "form": {"type": "string", "enum": list(FORMS), "description": "default snapshot"},
                "find": {"type": "string", "maxLength": 200, "description": "only what has these words in it"},
            },
            (),
            "idempotent",
        ),
        _spec(
            "browser_act",
            "Do something on the current page; what changed comes back. Downloads land in downloads/.",
            {
                "action": {"type": "string", "enum": list(ACTIONS)},
                "ref": {"type": "string", "maxLength": 20, "description": "of the thing, such as e12"},
                "text": {
                    "type": "string",
                    "maxLength": 8000,
                    "description": "what to type (replacing), key, option, up|down|top|bottom, path to upload, words "
                    "to wait for, number of a tab, answer to the next dialog",
                },
            },
            ("action",),
            "effect",
        ),
        _spec(
            "search_web",
            "Search the web, or the documents that were set up for it. Results go to a file.",
            {
                "query": {"type": "string", "minLength": 1, "maxLength": 400},
                "limit": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "description": "default 10"},
                "since": {
                    "type": "string",
                    "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$",
                    "description": "only from this day on, such as 2026-05-01",
                },
            },
            ("query",),
            "pure",
        ),
    )


def _spec(
    name: str, description: str, properties: dict[str, Json], required: tuple[str, ...], effect: Effect
) -> ToolSpec:
    schema: dict[str, Json] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    return ToolSpec(name, description, canonical.encode(schema).decode(), effect)
