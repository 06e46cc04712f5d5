"""Skills: folders with a ``SKILL.md``, whose names and descriptions the model sees and whose bodies it reads on demand.

A ``SKILL.md`` begins with a head between two lines of dashes, which has its ``name`` and its ``description``, each on a
line; the name is that of the folder.  That is the form that other agents read, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workhand.errors import ConfigError

FILE = "SKILL.md"
INSIDE = "/opt/skills"
SKILLS_MAX = 100
HEAD_CHARS_MAX = 10_000
DESCRIPTION_CHARS_MAX = 300
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
HEAD = re.compile(r"---[ \t]*\n(.*?)\n---[ \t]*(\n|$)", re.DOTALL)
LINE = re.compile(r"^(name|description):[ \t]*(.+)$", re.MULTILINE)
INTRODUCTION = "Skills are at hand. Before you do what one is for, read its SKILL.md:"


@dataclass(frozen=True, slots=True)
class Skill:
    name: str
    description: str
    directory: Path

    @property
    def inside(self) -> str:
        """Where a machine shows it."""
        return f"{INSIDE}/{self.name}"


def read(directory: Path) -> Skill:
    """Read the skill that a folder is.  Raises ``ConfigError`` that says what is wrong with it."""
    file = directory / FILE
    try:
        with file.open(encoding="utf-8") as opened:
            head = HEAD.match(opened.read(HEAD_CHARS_MAX))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{str(file)!r} cannot be read: {error}.") from error
    stated = dict(LINE.findall(head[1])) if head else {}
    name, description = (stated.get(key, "").strip().strip("\"'") for key in ("name", "description"))
    if not description:
        raise ConfigError(f"{str(file)!r} has no description; begin it with --- name: ..., description: ... ---.")
    if not NAME.fullmatch(name) or name != directory.name:
        raise ConfigError(f"{str(file)!r} names itself {name!r}; call it {directory.name!r}, in lower case.")
    return Skill(name, " ".join(description.split())[:DESCRIPTION_CHARS_MAX], directory)


def found(directories: Iterable[Path]) -> tuple[Skill, ...]:
    """Give the skills in some directories, by name; of two with one name the first counts, faulty ones are left out."""
    known: dict[str, Skill] = {}
    for directory in directories:
        for folder in sorted(directory.iterdir()) if directory.is_dir() else ():
            if (folder / FILE).is_file() and len(known) < SKILLS_MAX:
                try:
                    known.setdefault(folder.name, read(folder))
                except ConfigError:  # `workhand skills check` says what is wrong.
                    continue
    return tuple(known[name] for name in sorted(known))


def listed(skills: tuple[Skill, ...]) -> str:
    """Introduce skills to the model; nothing if there are none."""
    lines = [f"- {skill.name}: {skill.description} ({skill.inside}/{FILE})" for skill in skills]
    return "\n".join([INTRODUCTION, *lines]) if lines else ""
