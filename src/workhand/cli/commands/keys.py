"""``secrets``: keys that the agent can use and never sees."""

from __future__ import annotations

import sys

import click

from workhand.cli.display import listing
from workhand.cli.session.guarding import hosts_from
from workhand.cli.session.surroundings import secrets
from workhand.cli.settings import load


@click.group("secrets", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One secret a line, without its value.")
@click.pass_context
def secrets_command(ctx: click.Context, as_json: bool) -> None:
    """List the secrets, or add and remove them; their values are never shown.

    \b
    workhand secrets
    workhand secrets add API_KEY --host api.example.com
    """
    if ctx.invoked_subcommand is not None:
        return
    store = secrets(load())
    rows = []
    for each in store.names():
        places = "headers and body" if each.body else "headers"
        rows.append((each, f"{each.name}  for {', '.join(each.hosts)}{each.path}  in {places}"))
    listing.show(
        rows, as_json=as_json, empty="There are no secrets yet: workhand secrets add NAME --host HOST does it."
    )
    if not as_json:
        click.echo(f"Values are kept by {store.kept_by}.", err=True)


@secrets_command.command("add")
@click.argument("name")
@click.option("--host", "hosts", multiple=True, required=True, help="A host it may be sent to; can be repeated.")
@click.option("--path", default="/", show_default=True, help="Only to requests whose path begins so.")
@click.option("--body", is_flag=True, help="Also in the body of a request, and not in its headers only.")
def add_command(name: str, hosts: tuple[str, ...], path: str, body: bool) -> None:
    """Add a secret called NAME; its value is read from stdin, or asked for.

    The agent finds a placeholder in the environment variable NAME of a machine whose network reaches one of the hosts.

    \b
    workhand secrets add API_KEY --host api.example.com < key.txt
    workhand run "..." --network api.example.com
    """
    read = hosts_from(hosts)
    asked = sys.stdin.isatty()
    value = click.prompt(f"Value of {name}", hide_input=True) if asked else sys.stdin.read().removesuffix("\n")
    store = secrets(load())
    secret = store.add(name, value, hosts=read, path=path, body=body)
    click.echo(f"{name} is kept by {store.kept_by}.")
    click.echo(f"Inside a machine it is {secret.placeholder}; the value goes to {', '.join(read)} only.")


@secrets_command.command("remove")
@click.argument("name")
def remove_command(name: str) -> None:
    """Remove the secret called NAME with its value.

    \b
    workhand secrets remove API_KEY
    """
    secrets(load()).remove(name)
    click.echo(f"{name} is removed.")
