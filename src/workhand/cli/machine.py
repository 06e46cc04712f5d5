"""``doctor`` and ``sandbox``: what this machine has, and what is missing."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from workhand.cli.models import providers
from workhand.cli.settings import Settings, load
from workhand.core import canonical
from workhand.errors import SandboxUnavailable, StoreError

if TYPE_CHECKING:
    from workhand.core.ports import Capabilities
    from workhand.sandbox.probe import Kind

EXEC_OUTPUT_BYTES_MAX = 64_000_000


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


@click.group("sandbox")
def sandbox_command() -> None:
    """Try the machine that sessions work in."""


@sandbox_command.command("probe")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def probe_command(as_json: bool) -> None:
    """Open a sandbox, run a program in it, and say what it gives."""
    found = anyio.run(_probe)
    if as_json:
        click.echo(canonical.encode(found).decode())
        return
    click.echo(f"{found.backend}: isolation {found.isolation}, limits by {found.limits}, network {found.network}")
    for sentence in found.notes:
        click.echo(f"  {sentence}")


@sandbox_command.command("exec", context_settings={"ignore_unknown_options": True})
@click.option(
    "--sandbox",
    default="auto",
    type=click.Choice(["auto", "bubblewrap", "unsafe"]),
    show_default=True,
    help="The machine to run in; unsafe is a bare process of yours.",
)
@click.option(
    "--workspace",
    type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
    help="Work in this directory instead of a fresh one.",
)
@click.option("--timeout", "timeout_s", default=600.0, show_default=True, help="Seconds.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_command(sandbox: Kind, workspace: Path | None, timeout_s: float, command: tuple[str, ...]) -> None:
    """Run COMMAND in a fresh sandbox; its output and its exit code are passed through.

    \b
    workhand sandbox exec -- id
    workhand sandbox exec --workspace . -- ls -la
    """
    sys.exit(anyio.run(_exec, sandbox, workspace, timeout_s, command))


async def _diagnose(settings: Settings) -> list[tuple[str, bool, str]]:
    findings = [("python", sys.version_info >= (3, 11), platform.python_version())]
    try:
        found = await _probe()
        findings.append(("sandbox", True, f"{found.backend}, isolation {found.isolation}, limits by {found.limits}"))
        findings.extend(("  note", True, sentence) for sentence in found.notes)
    except SandboxUnavailable as error:
        findings.append(("sandbox", False, str(error)))
    findings.append(_program("rg", "ripgrep", "file_find falls back to grep and find"))
    findings.append(await _database(settings))
    free = shutil.disk_usage(settings.home if settings.home.is_dir() else Path.home()).free
    findings.append(("disk", free > 1 << 30, f"{free / (1 << 30):.1f} GB free at {settings.home}"))
    for each in providers(settings):
        wanted = each.name == "local"  # it is part of a whole installation; of the others one is enough
        findings.append((each.name, not (wanted and each.remedy), f"{each.state}; {each.remedy}".rstrip("; ")))
    findings.append(("default", True, f"used by default: {settings.model}" if settings.model else "no model is set"))
    return findings


def _program(name: str, package: str, without: str) -> tuple[str, bool, str]:
    where = shutil.which(name)
    return (name, True, where or f"not here ({without}); install the system package {package}")


async def _database(settings: Settings) -> tuple[str, bool, str]:
    from workhand.cli.wiring import open_store

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


async def _probe() -> Capabilities:
    from workhand.sandbox.probe import probe

    found = await probe()
    if isinstance(found, str):
        raise SandboxUnavailable(found)
    return found


async def _exec(kind: Kind, workspace: Path | None, timeout_s: float, command: tuple[str, ...]) -> int:
    from workhand.cli.wiring import new_id
    from workhand.sandbox.probe import open_sandbox
    from workhand.sandbox.spec import MachineSpec

    with tempfile.TemporaryDirectory(prefix="workhand-") as fresh:
        where, owned = (workspace, False) if workspace else (Path(fresh), True)
        sandbox = await open_sandbox(kind, MachineSpec(session=new_id(), workspace=where, owned=owned))
        try:
            went = await sandbox.execute(command, timeout_s=timeout_s, output_bytes_max=EXEC_OUTPUT_BYTES_MAX)
        finally:
            await sandbox.close()
    sys.stdout.buffer.write(went.stdout)
    sys.stderr.buffer.write(went.stderr)
    if went.exit_code is None:
        click.echo(f"workhand: the command was stopped after {timeout_s:g} s; give it more with --timeout.", err=True)
        return 124
    return went.exit_code if went.exit_code >= 0 else 128 - went.exit_code
