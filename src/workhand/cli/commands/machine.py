"""``sandbox``: the machines that sessions work in."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio
import click

from workhand.cli.display import listing
from workhand.cli.session.guarding import (
    api_option,
    guard_set,
    isolation_option,
    network_from,
    network_option,
    reaching,
)
from workhand.cli.settings import Settings, load
from workhand.core import canonical
from workhand.errors import ConfigError, SandboxUnavailable

if TYPE_CHECKING:
    from workhand.core.policy import Guard, Isolation
    from workhand.core.ports import Capabilities

EXEC_OUTPUT_BYTES_MAX = 64_000_000
TIMED_OUT = 124


@dataclass(frozen=True, slots=True)
class Wanted:
    """What ``exec`` was asked for."""

    workspace: Path | None
    timeout_s: float
    command: tuple[str, ...]


@click.group("sandbox")
def sandbox_command() -> None:
    """Try, list, enter and end the machines that sessions work in."""


@sandbox_command.command("probe")
@isolation_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def probe_command(isolation: Isolation | None, as_json: bool) -> None:
    """Open a machine, run a program in it, and say what it gives."""
    found = anyio.run(_probe, load(), isolation)
    if as_json:
        click.echo(canonical.encode(found).decode())
        return
    click.echo(f"{found.backend}: isolation {found.isolation}, limits by {found.limits}, network {found.network}")
    for sentence in found.notes:
        click.echo(f"  {sentence}")


@sandbox_command.command("exec", context_settings={"ignore_unknown_options": True})
@isolation_option
@network_option
@api_option
@click.option(
    "--workspace",
    type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
    help="Work in this directory instead of a fresh one.",
)
@click.option("--timeout", "timeout_s", default=600.0, show_default=True, help="Seconds.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_command(
    isolation: Isolation | None,
    network: str | None,
    apis: tuple[str, ...],
    workspace: Path | None,
    timeout_s: float,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND in a fresh machine; its input, its output and its exit code are passed through.

    \b
    workhand sandbox exec -- id
    workhand sandbox exec --workspace . -- ls -la
    workhand sandbox exec --isolation kernel -- uname -a
    workhand sandbox exec --network host.internal:8000 -- curl -s http://host.internal:8000/
    """
    settings = load()
    guard = guard_set(settings)
    guard = replace(
        guard,
        isolation=isolation or guard.isolation,
        network=reaching(guard.network if network is None else network_from(network), settings, apis),
        approvals=replace(guard.approvals, asked="never"),  # the person is here, and gave the command
    )
    wanted = Wanted(workspace, timeout_s, command)
    sys.exit(anyio.run(_exec, settings, guard, wanted))


@sandbox_command.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One machine a line.")
def ls_command(as_json: bool) -> None:
    """List the machines that are open on this host, those of sessions at rest, and what killed processes have left."""
    from workhand.sandbox.register import machines

    rows: list[tuple[object, str]] = []
    for each in machines():
        state = f"held by process {each.holder}" if each.held else "left over: `workhand sandbox destroy`"
        line = f"{each.session:<10} {each.backend:<11} network {each.network:<8} {state}"
        rows.append(({"machine": each, "held": each.held}, line))
    for image in load().suspended.images():
        line = f"{image.session:<10} gvisor      suspended, {image.size_bytes:,} bytes: it goes on with its session"
        rows.append(({"suspended": image.session, "size_bytes": image.size_bytes}, line))
    listing.show(rows, as_json=as_json, empty="No machine is open: one opens with each session.")


@sandbox_command.command("kernel")
@click.option(
    "--from",
    "unpacked",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Take it from here, where boot/ and lib/modules/ are, instead of downloading it.",
)
def kernel_command(unpacked: Path | None) -> None:
    """Fetch the kernel of virtual machines: Debian's, with apt, which installs nothing and needs no root.

    \b
    workhand sandbox kernel
    workhand sandbox kernel --from /
    """
    from workhand.sandbox.vm import kernel

    cache = load().cache / "vm"
    taken = kernel.fetch(cache, click.echo) if unpacked is None else kernel.take(unpacked, cache, click.echo)
    click.echo(f"Virtual machines boot {taken.version} from {taken.directory}.")


@sandbox_command.command("image")
@click.argument("size", type=click.Choice(["small", "full"]), default="small")
def image_command(size: Literal["small", "full"]) -> None:
    """Build the system that machines have inside, a small Debian, instead of showing them the host's programs.

    It takes minutes, is kept, and is used by sessions once the settings say `image = "small"`. FULL has compilers
    and pandoc, too.

    \b
    workhand sandbox image
    workhand sandbox image full
    """
    from workhand.sandbox.image import build

    root = build(load().cache / "images", size, say=click.echo)
    click.echo(f'The image is {root.parent}; `image = "{size}"` in the settings has sessions use it.')


@sandbox_command.command("destroy")
@click.argument("session", required=False)
def destroy_command(session: str | None) -> None:
    """End the machine of a SESSION now, or, without one, whatever killed processes have left behind.

    The workspace and the log stay; a session that is at work opens another machine and is told, and so does one at
    rest when it goes on.
    """
    from workhand.sandbox import register

    if session is None:
        left = register.sweep()
        click.echo(f"{len(left)} left-over machines were ended and removed.")
        return
    machines, suspended = register.machines(), load().suspended
    found = _only(session, {each.session for each in machines} | {each.session for each in suspended.images()})
    for machine in machines:
        if machine.session == found:
            register.end(machine)
    suspended.forget(found)
    click.echo(f"The machine of session {found} is ended.")


@sandbox_command.command("attach")
@click.argument("session")
def attach_command(session: str) -> None:
    """Take over the machine of a SESSION: a shell in it, where the agent works.

    The agent waits until you leave with `exit` or Ctrl-D, and is told what your terminal showed.
    A session that is at rest gets its machine opened for you.

    \b
    workhand sandbox attach 3fa9
    echo 'ls -la' | workhand sandbox attach 3fa9
    """
    from workhand.cli.session.attach import attach_to

    anyio.run(attach_to, load(), session)


def _only(prefix: str, sessions: set[str]) -> str:
    """Find the one session among those that have machines by the beginning of its id."""
    found = sorted(session for session in sessions if session.startswith(prefix))
    if not found:
        raise ConfigError(f"No machine of session {prefix!r} is open; `workhand sandbox ls` lists those that are.")
    if len(found) > 1:
        raise ConfigError(f"{prefix!r} could be {', '.join(found)}; give more letters.")
    return found[0]


async def _probe(settings: Settings, isolation: Isolation | None) -> Capabilities:
    from workhand.sandbox.probe import probe
    from workhand.sandbox.tiers import kinds_for

    problems = []
    for kind in kinds_for(isolation or settings.isolation):
        found = await probe(kind, cache=settings.cache)
        if not isinstance(found, str):
            return found
        problems.append(f"{kind}: {found}")
    raise SandboxUnavailable(" ".join(problems))


async def _exec(settings: Settings, guard: Guard, wanted: Wanted) -> int:
    from workhand.cli.session import indexing
    from workhand.cli.session.provisions import provisions
    from workhand.cli.session.surroundings import guarded
    from workhand.cli.session.wiring import image, new_id, open_for
    from workhand.sandbox import register
    from workhand.sandbox.spec import MachineSpec

    register.sweep()
    given = await anyio.to_thread.run_sync(provisions, settings, guard, wanted.workspace)
    stdin = b"" if sys.stdin.isatty() else await anyio.to_thread.run_sync(sys.stdin.buffer.read)
    with tempfile.TemporaryDirectory(prefix="workhand-") as fresh:
        where, owned = (wanted.workspace, False) if wanted.workspace else (Path(fresh), True)
        async with (
            guarded(settings, guard) as around,
            indexing.door(settings, guard, around.keeper) as packages,
        ):
            spec = MachineSpec(
                session=new_id(),
                workspace=where,
                owned=owned,
                limits=settings.machine,
                cache=settings.cache,
                root=image(settings),
                **given,
                doors=packages,
            )
            async with await open_for(settings, guard.isolation, around.fitted(spec)) as sandbox:
                went = await sandbox.execute(
                    wanted.command, stdin=stdin, timeout_s=wanted.timeout_s, output_bytes_max=EXEC_OUTPUT_BYTES_MAX
                )
                hits = sandbox.hits()
            refused = [contact for contact in around.contacts() if contact.verdict == "refused"]
    sys.stdout.buffer.write(went.stdout)
    sys.stderr.buffer.write(went.stderr)
    for hit in hits:
        click.echo(f"workhand: limit: {hit}", err=True)
    for contact in refused:
        said = f"{contact.what} at {contact.host}: {contact.reason}"
        click.echo(f"workhand: refused by rule {contact.rule}: {said}", err=True)
    if went.exit_code is None:
        more = f"workhand: the command was stopped after {wanted.timeout_s:g} s; give it more with --timeout."
        click.echo(more, err=True)
        return TIMED_OUT
    return went.exit_code if went.exit_code >= 0 else 128 - went.exit_code
