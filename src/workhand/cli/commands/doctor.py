"""``doctor``: what this machine has, and what is missing."""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path

import anyio
import click

from workhand.cli.commands.models import providers
from workhand.cli.settings import Settings, load
from workhand.core import canonical
from workhand.core.policy import Isolation
from workhand.errors import StoreError
from workhand.sandbox.probe import Kind, probe
from workhand.sandbox.tiers import TIERS


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One finding a line.")
def doctor_command(as_json: bool) -> None:
    """Check this machine: what works, what is missing, and how to get it."""
    findings = anyio.run(_diagnose, load())
    for name, good, said in findings:
        if as_json:
            click.echo(canonical.encode({"check": name, "ok": good, "finding": said}).decode())
        else:
            click.echo(f"{click.style('ok  ' if good else 'MISS', fg='green' if good else 'red')} {name:<12} {said}")
    sys.exit(0 if all(good for _, good, _ in findings) else 3)


async def _diagnose(settings: Settings) -> list[tuple[str, bool, str]]:
    findings = [("python", sys.version_info >= (3, 11), platform.python_version())]
    for isolation, kinds in TIERS:
        for kind in kinds:
            needed = isolation == "namespace" and kind == kinds[0]
            findings += await _tier(isolation, kind, settings, needed=needed)
    findings.append(_program("rg", "ripgrep", "file_find falls back to grep and find"))
    findings.append(await _database(settings))
    free = shutil.disk_usage(settings.home if settings.home.is_dir() else Path.home()).free
    findings.append(("disk", free > 1 << 30, f"{free / (1 << 30):.1f} GB free at {settings.home}"))
    for each in providers(settings):
        wanted = each.name == "local"  # it is part of a whole installation; of the others one is enough
        findings.append((each.name, not (wanted and each.remedy), f"{each.state}; {each.remedy}".rstrip("; ")))
    findings.append(("default", True, f"used by default: {settings.model}" if settings.model else "no model is set"))
    return findings


async def _tier(isolation: Isolation, kind: Kind, settings: Settings, *, needed: bool) -> list[tuple[str, bool, str]]:
    """Try a kind of machine; only the one that is opened by default must be there."""
    found = await probe(kind, cache=settings.cache)
    if isinstance(found, str):
        return [(isolation, not needed, f"not here: {found}")]
    said = f"{found.backend}, limits by {found.limits}"
    return [(isolation, True, said), *(("  note", True, sentence) for sentence in found.notes)]


def _program(name: str, package: str, without: str) -> tuple[str, bool, str]:
    where = shutil.which(name)
    return (name, True, where or f"not here ({without}); install the system package {package}")


async def _database(settings: Settings) -> tuple[str, bool, str]:
    from workhand.cli.session.wiring import open_store

    if not settings.database.is_file():
        return ("sessions", True, f"none yet at {settings.database}")
    try:
        async with open_store(settings) as store:
            problems = await store.check()
            count = len(await store.sessions())
    except StoreError as error:
        return ("sessions", False, str(error))
    if problems:
        return ("sessions", False, f"{'; '.join(problems)}; export what can be read and restore a backup")
    return ("sessions", True, f"{count} in {settings.database}")
