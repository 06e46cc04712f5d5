"""The skills that a session has, and what its workspace tells it to heed."""

from __future__ import annotations

from pathlib import Path

from workhand.agents import skills
from workhand.agents.skills import Skill
from workhand.cli.settings import Settings

PROJECT = (".agents/skills", ".claude/skills")  # below a workspace
INSTRUCTIONS = "AGENTS.md"
INSTRUCTIONS_BYTES_MAX = 32_000
HEEDED = f"The user's standing instructions, from {INSTRUCTIONS} in the workspace:"


def of(settings: Settings, workspace: Path | None) -> tuple[Skill, ...]:
    """Give the skills of a workspace, and the person's own."""
    own = [settings.home / "skills"]
    return skills.found([*(workspace / place for place in PROJECT), *own] if workspace else own)


def shown(settings: Settings, workspace: Path | None) -> dict[str, Path]:
    """Give the directories of skills by where a machine shows them."""
    return {each.inside: each.directory for each in of(settings, workspace)}


def told(settings: Settings, workspace: Path | None) -> str:
    """Give what the model is told of skills and of the workspace's instructions, behind its system prompt."""
    file = workspace / INSTRUCTIONS if workspace else None
    heeded = ""
    if file is not None and file.is_file():
        with file.open("rb") as opened:
            text = opened.read(INSTRUCTIONS_BYTES_MAX).decode("utf-8", "replace").strip()
        heeded = f"{HEEDED}\n\n{text}"
    return "".join(f"\n\n{part}" for part in (skills.listed(of(settings, workspace)), heeded) if part)
