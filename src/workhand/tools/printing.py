"""Which commands do nothing but print a file that is kept for the model.

What is read back was offloaded once already; to offload it again would send the
model in circles.  A command counts only if every word of it is understood: one
program out of a few, its plain options, and one path below ``.workhand/``.
"""

from __future__ import annotations

import posixpath
import re
import shlex

from workhand.tools.folder import NAME

PRINTERS = ("cat", "head", "tail", "sed", "grep")
OPERANDS_MAX = {"cat": 0, "head": 0, "tail": 0, "sed": 1, "grep": 1}  # beside the path
SED_LINES = re.compile(r"(\d+|\$)(,(\d+|\$))?p")
SED_OPTIONS = {"-n", "-E", "-r", "--quiet", "--silent"}
COUNT = re.compile(r"[+-]?\d+")  # what follows -n, -c or -A
HOMES = ("", "./", "/home/agent/")


def prints_kept(command: str) -> bool:
    """Say whether a command prints one kept file and has no other effect."""
    words = _words(command)
    if len(words) < 2 or words[0] not in PRINTERS or not _is_kept(words[-1]):
        return False
    program, between = words[0], words[1:-1]
    options = [word for word in between if word.startswith("-") and len(word) > 1]
    operands = [word for word in between if word not in options and not COUNT.fullmatch(word)]
    if len(operands) > OPERANDS_MAX[program]:
        return False
    if program == "sed":
        plain = "-n" in options and SED_OPTIONS.issuperset(options)
        return plain and len(operands) == 1 and SED_LINES.fullmatch(operands[0]) is not None
    return True


def _words(command: str) -> list[str]:
    """Take a simple command apart; nothing where a shell would do more than run one program."""
    if any(mark in command for mark in ("\n", "`", "$(", "${")):
        return []
    reader = shlex.shlex(command.strip(), posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    reader.commenters = ""
    try:
        words = list(reader)
    except ValueError:  # an open quotation
        return []
    return [] if any(word and set(word) <= set("();<>|&") for word in words) else words


def _is_kept(path: str) -> bool:
    whole = posixpath.normpath(path)
    return any(whole.startswith(posixpath.normpath(f"{home}{NAME}") + "/") for home in HOMES)
