"""``skills``: what the agent can read up on."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from workhand.agents import skills
from workhand.cli.display import listing
from workhand.cli.session.skills import of
from workhand.cli.settings import load
from workhand.errors import ConfigError


@click.group("skills")
def skills_command() -> None:
    """List, add and check skills: folders with a SKILL.md that the agent reads when it needs it.

    \b
    workhand skills ls
    workhand skills add ./release-notes
    """


@skills_command.command("ls")
@click.option("--workspace", type=click.Path(path_type=Path, file_okay=False), help="Also those of this directory.")
@click.option("--json", "as_json", is_flag=True, help="One skill a line.")
def ls_command(workspace: Path | None, as_json: bool) -> None:
    """List the skills that sessions get.

    \b
    workhand skills ls --workspace .
    """
    rows = [
        (
            {"name": each.name, "description": each.description, "directory": str(each.directory)},
            f"{each.name:<24} {each.description}",
        )
        for each in of(load(), workspace)
    ]
    listing.show(rows, as_json=as_json, empty="There are no skills yet: workhand skills add DIR adds one.")


@skills_command.command("add")
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True))
def add_command(directory: Path) -> None:
    """Copy the skill in DIRECTORY to your own, for all sessions."""
    skill = skills.read(directory)
    target = load().home / "skills" / skill.name
    if target.exists():
        raise ConfigError(f"There is a skill {skill.name!r} already, in {str(target)!r}; remove that first.")
    shutil.copytree(directory, target)
    click.echo(f"{skill.name} is added to {target.parent}.")


@skills_command.command("check")
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True))
def check_command(directory: Path) -> None:
    """Say whether DIRECTORY is a skill, or what is wrong with it."""
    skill = skills.read(directory)
    click.echo(f"{skill.name}: {skill.description}")
