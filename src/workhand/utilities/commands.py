"""The programs of a machine by name, and how any of them is called.

``workhand-tools`` is the list: one line each.  A program is a module with ``HELP``, the text
that ``--help`` prints, and ``main``, which takes its arguments and gives its exit status.
"""

from __future__ import annotations

import getopt
import importlib
import signal
import sys

from .budget import OverBudget, Unreadable

COMMANDS = {
    "extract": (
        "extract",
        "turn a document into Markdown: html pdf docx xlsx pptx odt epub ipynb eml csv zip png and more",
    ),
    "convert": ("convert", "make a document of another format: docx, odt, pdf, html, xlsx, csv and more"),
    "mcp": ("mcp", "use the tools, resources and prompts of MCP servers that the user has set up"),
    "data": ("data", "ask the databases that the user has added, and list their data"),
    "render": ("render", "make a picture or a PDF of a document or a page: png or pdf"),
    "transcribe": ("transcribe", "turn speech into text"),
    "note": ("note", "keep findings with their sources, and progress, in ~/notes.md"),
    "serve": ("serve", "show the user a folder or a server of this machine, at an address for their browser"),
    "ask-agent": ("ask_agent", "reserved: there are no child sessions yet"),
}
"""The module and the line of each program."""

LIST = "workhand-tools"
USAGE, FAILED, STOPPED = 2, 1, 3


def main(name: str, arguments: list[str]) -> int:
    if name == LIST:
        sys.stdout.write(listing())
        return 0
    if name not in COMMANDS:
        sys.stderr.write(f"There is no program {name!r} here; {LIST} lists those there are.\n")
        return USAGE
    module = importlib.import_module(f".{COMMANDS[name][0]}", __package__)
    if "--help" in arguments or "-h" in arguments:
        sys.stdout.write(module.HELP)
        return 0
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that has seen enough ends this quietly
    try:
        status: int = module.main(arguments)
    except getopt.GetoptError as error:
        sys.stderr.write(f"{name}: {error.msg}; see {name} --help.\n")
        return USAGE
    except Unreadable as error:
        sys.stderr.write(f"{name}: {error}\n")
        return FAILED
    except OSError as error:
        sys.stderr.write(f"{name}: {error.filename}: {error.strerror}.\n")
        return FAILED
    except OverBudget as error:
        sys.stderr.write(f"{name}: {error}\n")
        return STOPPED
    return status


def listing() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"{name:<{width}}  {line}" for name, (_, line) in COMMANDS.items()]
    return "\n".join(["Programs of this machine beside its own; each tells more with --help.", *lines, ""])
