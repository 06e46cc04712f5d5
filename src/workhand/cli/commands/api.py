"""``api``: other people's APIs as Python modules in the machine, made of their OpenAPI descriptions."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workhand.apis import registry
from workhand.apis.registry import Api
from workhand.cli.display import listing
from workhand.cli.display.words import clean, short
from workhand.cli.session.apis import DIRECTORY, LIBRARIES, of
from workhand.cli.settings import Settings, load
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from workhand.guard.secrets import Secret

TEXT_BYTES_MAX = 16 << 20
FETCH_S = 60.0
SHOWN_CHARS = 400


@click.group("api")
def api_command() -> None:
    """Add, list, show and remove APIs: each becomes a Python module in the machine, made of its OpenAPI description.

    \b
    workhand secrets add BOLTS_KEY --host api.example.com
    workhand api add bolts --openapi https://api.example.com/openapi.json --secret BOLTS_KEY
    workhand run "Order ten bolts" --api bolts
    """


@api_command.command("add")
@click.argument("name")
@click.option(
    "--openapi", "source", required=True, metavar="FILE|URL", help="Its description: OpenAPI 3, JSON or YAML."
)
@click.option("--secret", "secret", default="", help="The secret that it is called with; see `workhand secrets`.")
@click.option("--base-url", default="", help="Where it is, if its description does not say or says otherwise.")
@click.option("--scheme", default="", help="Which of its security schemes to use; one in a header by default.")
@click.option("--user", default="", help="The user of basic authentication; without it the secret is USER:PASSWORD.")
def add_command(name: str, source: str, secret: str, base_url: str, scheme: str, user: str) -> None:
    """Make a module NAME of an API's description, which sessions get with --api NAME.

    No key is in it: inside, the environment has the secret's placeholder, which becomes the key on its way to the API.

    \b
    workhand api add bolts --openapi bolts.yaml --secret BOLTS_KEY
    workhand api add bolts --openapi bolts.json --base-url http://host.internal:8000 --secret BOLTS_KEY
    """
    from workhand.apis.libraries import gathered
    from workhand.apis.making import Given, make, read

    settings = load()
    registry.check_name(name)
    directory = settings.home / DIRECTORY
    if (directory / name).exists():
        raise ConfigError(f"There is an API {name!r} already; `workhand api remove {name}` removes it.")
    fetched = source.startswith(("https://", "http://"))
    text = _fetched(source) if fetched else _content(Path(source))
    given = Given(name, source if fetched else "", base_url, secret, user, scheme)
    with tempfile.TemporaryDirectory(prefix="workhand-api-") as fresh:
        described = read(text, given, Path(fresh), settings.home)
    _check(settings, described.api)
    gathered(directory / LIBRARIES)
    api, skipped = make(described, directory / name)
    click.echo(clean(f"{name} is added: {api.operations} operations at {api.base_url}, {_signed(api)}."))
    if skipped.whole:
        click.echo(clean(f"Without a module: {short(', '.join(skipped.whole), SHOWN_CHARS)}."), err=True)
    if skipped.parts:
        said = f"A body or an answer is of a form that is not read: {short(', '.join(skipped.parts), SHOWN_CHARS)}."
        click.echo(clean(said), err=True)
    click.echo(f'`workhand run "..." --api {name}` has a session use it, as `apis.{name}`.')


@api_command.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One API a line.")
def ls_command(as_json: bool) -> None:
    """List the APIs that have been added.

    \b
    workhand api ls --json
    """
    rows = [
        (
            {"name": each.name, **each.stated()},
            f"{each.name:<20} {each.operations:>4} operations at {each.base_url}, {_signed(each)}",
        )
        for each in of(load())
    ]
    empty = "There are no APIs yet: workhand api add NAME --openapi FILE adds one."
    listing.show(rows, as_json=as_json, empty=empty)


@api_command.command("show")
@click.argument("name")
def show_command(name: str) -> None:
    """Show what the agent reads of the API NAME: how it is called, and its operations.

    \b
    workhand api show bolts
    """
    directory = load().home / DIRECTORY
    registry.find(directory, name)
    click.echo(clean((directory / name / registry.INDEX).read_text(encoding="utf-8")), nl=False)


@api_command.command("remove")
@click.argument("name")
def remove_command(name: str) -> None:
    """Remove the API called NAME; its secret stays.

    \b
    workhand api remove bolts
    """
    registry.remove(load().home / DIRECTORY, name)
    click.echo(f"{name} is removed.")


def _check(settings: Settings, api: Api) -> None:
    """See that the key can get to where the API is.  Raises ``ConfigError`` with what to do."""
    from workhand.cli.session.guarding import hosts_from
    from workhand.cli.session.surroundings import secrets

    hosts_from([api.host])
    if not api.secret:
        if api.travels is not None:
            click.echo(f"It may want a key, in the {api.travels}; --secret names one.", err=True)
        return
    known = {secret.name: secret for secret in secrets(settings).names()}
    remedy = f"`workhand secrets add {api.secret} --host {api.host}`"
    if api.secret not in known:
        raise ConfigError(f"There is no secret {api.secret!r}; {remedy} adds it.")
    if not _covers(known[api.secret], api):
        stated = ", ".join(known[api.secret].hosts) + known[api.secret].path
        raise ConfigError(
            f"The secret {api.secret!r} is for {stated}, and not for {api.base_url!r}; {remedy} changes that."
        )
    if api.travels is not None and api.travels.place == "query":
        raise ConfigError(
            f"The key would travel in the {api.travels}, and no secret may stand in an address; see --scheme."
        )
    if api.base_url.startswith("http:") and api.endpoint[0] != "host.internal":
        click.echo(f"The key will travel to {api.host} unencrypted.", err=True)


def _covers(secret: Secret, api: Api) -> bool:
    from workhand.guard.egress.hosts import matches

    inside = (api.path.rstrip("/") + "/").startswith(secret.path.rstrip("/") + "/")
    return inside and any(matches(pattern, *api.endpoint) for pattern in secret.hosts)


def _signed(api: Api) -> str:
    return f"with {api.secret} in the {api.travels}" if api.secret else "without a key"


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return _bounded(opened.read(TEXT_BYTES_MAX + 1))
    except OSError as error:
        raise ConfigError(f"The description {str(file)!r} cannot be read: {error.strerror}.") from error


def _fetched(address: str) -> bytes:
    import httpx2

    content = b""
    try:
        with httpx2.stream("GET", address, timeout=FETCH_S, follow_redirects=True) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                content = _bounded(content + chunk)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ConfigError(f"The description at {address!r} cannot be fetched: {error}; give a file.") from error
    return content


def _bounded(content: bytes) -> bytes:
    if len(content) > TEXT_BYTES_MAX:
        raise ConfigError(f"The description has more than {TEXT_BYTES_MAX:,} bytes; give a part of it.")
    return content
