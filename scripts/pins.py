"""Say whether pyproject.toml, constraints.txt and the installed packages agree.

Pins that nobody compares drift: a bound is raised and the pin stays, a package
is upgraded by hand and the tests pass on something that no user gets.  So each
direct dependency is pinned inside its bounds, each pin carries hashes and no
address, and what is installed is what is pinned.  `scripts/lock` makes it so.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
# Extras that nothing here needs: their tests are skipped without them.
UNPINNED = ("ddgs", "docker", "langchain", "openai-agents")
PIN = re.compile(r"([a-z0-9-]+)==(\S+)((?: +--hash=sha256:[0-9a-f]{64})+) *")


def main() -> int:
    """Print each disagreement; give the exit code."""
    direct = direct_requirements(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8")))
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    installed: dict[str, str] = {canonicalize_name(each.name): each.version for each in metadata.distributions()}
    wrong = list(disagreements(direct, constraints, installed))
    for sentence in wrong:
        print(sentence)
    return 1 if wrong else 0


def disagreements(direct: tuple[Requirement, ...], constraints: str, installed: Mapping[str, str]) -> Iterator[str]:
    """Give a sentence for each place where the three differ."""
    pins: dict[str, str] = {}
    for line in constraints.replace("\\\n", " ").splitlines():
        if match := PIN.fullmatch(line):
            pins[match[1]] = match[2]
        elif line and not line.startswith("#"):
            yield f"constraints.txt has {line[:60]!r}, which is not a name, a version and hashes; run scripts/lock."
    for requirement in direct:
        pinned = pins.get(canonicalize_name(requirement.name))
        if pinned is None or not requirement.specifier.contains(pinned):
            yield f"pyproject.toml asks for '{requirement}', and constraints.txt pins {pinned!r}; run scripts/lock."
    for name, pinned in pins.items():
        if (found := installed.get(name)) != pinned:
            remedy = "delete the environment and run scripts/setup"
            yield f"constraints.txt pins {name} to {pinned!r}, and {found!r} is installed; {remedy}."


def direct_requirements(pyproject: dict[str, Any]) -> tuple[Requirement, ...]:
    """Give everything that pyproject.toml names: to build, to run, and for each extra that is pinned."""
    project = pyproject["project"]
    extras = [named for extra, named in project["optional-dependencies"].items() if extra not in UNPINNED]
    return tuple(map(Requirement, chain(pyproject["build-system"]["requires"], project["dependencies"], *extras)))


if __name__ == "__main__":
    sys.exit(main())
