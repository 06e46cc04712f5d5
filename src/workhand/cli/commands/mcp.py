"""``mcp``: servers of the Model Context Protocol that agents may use, and Workhand as one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from workhand.cli.display import listing
from workhand.cli.display.words import clean, short
from workhand.cli.session.boxes import file_of
from workhand.cli.settings import Settings, load
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from workhand.mcp.config import Local, Remote

SIGN_IN_S = 300.0


@click.group("mcp")
def mcp_command() -> None:
    """Add, list, test and remove MCP servers; agents reach them from a command in their machine.

    \b
    workhand mcp add files --write /data -- mcp-server-filesystem /data
    workhand mcp add pages --network example.com -- mcp-server-fetch
    workhand mcp add issues --url https://mcp.example.com/ --header 'Authorization: Bearer ${ISSUES_KEY}'
    workhand mcp test files
    """


@mcp_command.command("add", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.option("--url", help="The address of a server that is reached by streamable HTTP.")
@click.option("--header", "headers", multiple=True, metavar="NAME: VALUE", help="Sent with every request; repeatable.")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="Set for the program; repeatable.")
@click.option("--directory", help="Where the program is started.")
@click.option(
    "--network", "hosts", multiple=True, metavar="HOST", help="A host that it may reach, or `open`; repeatable."
)
@click.option("--read", "files", multiple=True, metavar="DIR", help="What it may read, by its whole path; repeatable.")
@click.option("--write", multiple=True, metavar="DIR", help="What it may write, too; repeatable.")
@click.option("--no-sandbox", is_flag=True, help="Run the program on this computer, as you.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def add_command(
    name: str,
    url: str | None,
    headers: tuple[str, ...],
    variables: tuple[str, ...],
    directory: str | None,
    command: tuple[str, ...],
    no_sandbox: bool,
    **given: tuple[str, ...],
) -> None:
    """Add a server called NAME: the program COMMAND, or the one at --url.

    A program runs in a machine of its own, with what --network, --read and --write give it.

    Write ${NAME} for a value that must not stand in the file: a secret of that name, or a variable of the environment.
    """
    from workhand.mcp import config

    if (url is None) == (not command):
        raise click.UsageError("Give either a program after --, or --url.")
    box = _box(given, no_sandbox)
    if url is not None and box:
        raise click.UsageError("A server at --url has no machine here; leave out what is about one.")
    stated: dict[str, Any] = {"type": "http", "url": url, "headers": _pairs(headers, ":")}
    if command:
        stated = {"command": command[0], "args": list(command[1:]), "env": _pairs(variables, "="), "cwd": directory}
    file = file_of(load())
    config.add(file, name, {key: value for key, value in stated.items() if value} | box)
    click.echo(f"{name} is added to {file}; try it with `workhand mcp test {name}`.")


def _box(given: Mapping[str, tuple[str, ...]], no_sandbox: bool) -> dict[str, Any]:
    """Write down what a server's machine is given; nothing where nothing is.  Raises ``UsageError``."""
    from workhand.cli.session.guarding import network_from

    stated: dict[str, Any] = {key: list(values) for key, values in given.items() if values}
    if no_sandbox and stated:
        raise click.UsageError("With --no-sandbox there is no machine to give something; leave out the rest.")
    if "hosts" in stated:
        hosts = stated.pop("hosts")
        network_from(",".join(hosts))
        stated["network"] = hosts[0] if hosts in (["open"], ["none"]) else hosts
    return {"sandbox": False} if no_sandbox else {"sandbox": stated} if stated else {}


@mcp_command.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One server a line.")
def ls_command(as_json: bool) -> None:
    """List the servers that are set up."""
    from workhand.mcp import config

    servers = [(each.name, _runs(each), _where(each)) for each in config.load(file_of(load()))]
    rows = [
        ({"name": name, "runs": runs, "where": where}, f"{name:<20} {short(runs)} ({where})")
        for name, runs, where in servers
    ]
    empty = "There are no servers yet: workhand mcp add NAME -- PROGRAM adds one."
    listing.show(rows, as_json=as_json, empty=empty)


@mcp_command.command("test")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def test_command(name: str, as_json: bool) -> None:
    """Start or reach the server NAME, signing in if it asks for that, and say what it offers."""
    import anyio

    from workhand.core import canonical

    found = anyio.run(_offers, load(), name)
    if as_json:
        click.echo(canonical.encode(found).decode())
        return
    click.echo(clean(f"{name}: {found['version'] or 'a server without a name'}, protocol {found['protocol']}"))
    click.echo(clean(f"  runs {found['where']}"))
    for kind in ("tools", "resources", "prompts"):
        click.echo(clean(f"  {kind}: {', '.join(found[kind]) or 'none'}"))


@mcp_command.command("remove")
@click.argument("name")
def remove_command(name: str) -> None:
    """Remove the server called NAME.

    \b
    workhand mcp remove files
    """
    from workhand.mcp import config

    config.remove(file_of(load()), name)
    click.echo(f"{name} is removed.")


@mcp_command.command("serve")
def serve_command() -> None:
    """Offer Workhand itself as an MCP server on standard input and output, for other agents to use.

    \b
    {"mcpServers": {"workhand": {"command": "workhand", "args": ["mcp", "serve"]}}}
    """
    import anyio

    from workhand.cli.commands.offering import OfferedSessions
    from workhand.mcp.serve import serve

    anyio.run(serve, OfferedSessions(load()))


async def _offers(settings: Settings, name: str) -> Mapping[str, Any]:
    from dataclasses import replace

    from workhand.cli.session.boxes import Boxes, host_of
    from workhand.cli.session.guarding import guard_set
    from workhand.cli.session.sign_in import sign_in
    from workhand.mcp import config
    from workhand.mcp.connection import Limits
    from workhand.mcp.gateway import gateway

    around = host_of(settings, Boxes(settings, guard_set(settings)))
    assert around.oauth is not None
    around = replace(around, oauth=replace(around.oauth, sign_in=sign_in), limits=Limits(start_s=SIGN_IN_S))
    servers = {each.name: each for each in config.load(file_of(settings))}
    async with gateway(tuple(servers.values()), around) as door:
        tools = await door.tools(name)
        resources, prompts = await door.resources(name), await door.prompts(name)
        (state,) = (each for each in door.servers() if each.name == name)
    return {
        "version": state.version,
        "protocol": state.protocol,
        "where": _where(servers[name]),
        "tools": [each.name for each in tools],
        "resources": [each.uri for each in resources],
        "prompts": [each.name for each in prompts],
    }


def _runs(server: Local | Remote) -> str:
    """Say what a server is, without what may be secret."""
    from workhand.mcp.config import Local

    return server.command if isinstance(server, Local) else server.url.partition("?")[0]


def _where(server: Local | Remote) -> str:
    from workhand.cli.session.boxes import where
    from workhand.mcp.config import Local

    return where(server) if isinstance(server, Local) else "elsewhere"


def _pairs(texts: tuple[str, ...], separator: str) -> dict[str, str]:
    found = {}
    for text in texts:
        name, separated, value = text.partition(separator)
        if not separated or not name.strip():
            raise ConfigError(f"A name and a value need {separator!r} between them; write NAME{separator}VALUE.")
        found[name.strip()] = value.strip()
    return found
