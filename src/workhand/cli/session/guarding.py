"""How a session is to be guarded: options, settings and files, made one value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from workhand.cli.settings import Settings
from workhand.core.policy import Approvals, Guard, Isolation, Network
from workhand.errors import ConfigError

if TYPE_CHECKING:
    from workhand.guard.answers import Remembered

F = TypeVar("F", bound=Callable[..., Any])

isolation_option = click.option(
    "--isolation",
    type=click.Choice(list(reversed(get_args(Isolation)))),
    help="The least isolation to accept (default namespace); none is a bare process of yours.",
)
network_option = click.option(
    "--network",
    metavar="none|open|HOST,...",
    help="What the machine may reach, through a proxy that inspects it (default none).",
)
api_option = click.option(
    "--api",
    "apis",
    metavar="NAME",
    multiple=True,
    help="An API of `workhand api`: its module, and its host beside those of --network; repeatable.",
)
approve_option = click.option(
    "--approve",
    metavar="FILE|deny|never-ask",
    help="Where nobody can be asked: rules from FILE, a no to every question, or no questions.",
)


def guard_options(command: F) -> F:
    """Add the options that say how a session is guarded."""
    for option in (approve_option, api_option, network_option, isolation_option):
        command = option(command)
    return command


def guard_from(settings: Settings, options: dict[str, Any], known: Guard | None = None) -> Guard:
    """Take the guard's options out of ``options``; where one was not given, what is known or set holds.

    Raises ``ConfigError`` for a value that cannot be used.
    """
    isolation, network, approve = (options.pop(name) for name in ("isolation", "network", "approve"))
    apis: tuple[str, ...] = options.pop("apis", ())
    guard = known or guard_set(settings)
    if known is not None:
        guard = replace(guard, approvals=replace(guard.approvals, answers=remembered(settings).answers()))
    if isolation is not None:
        guard = replace(guard, isolation=isolation)
    if network is not None:
        guard = replace(guard, network=network_from(network))
    guard = replace(guard, network=reaching(guard.network, settings, apis))
    return guard if approve is None else replace(guard, approvals=_asked(approve, guard.approvals, settings))


def guard_set(settings: Settings) -> Guard:
    """Give the guard that the settings ask for."""
    return Guard(settings.isolation, network_from(settings.network), approvals(settings))


def network_from(text: str) -> Network:
    """Read ``none``, ``open``, or hosts with commas between them."""
    if text in ("none", ""):
        return Network()
    if text == "open":
        return Network("open")
    return Network("allow", hosts_from(text.split(",")))


def reaching(network: Network, settings: Settings, apis: tuple[str, ...]) -> Network:
    """Let a network reach the hosts of these APIs, too; one that reached nothing reaches nothing else."""
    if not apis:
        return network
    from workhand.apis.registry import find
    from workhand.cli.session.apis import DIRECTORY

    hosts = hosts_from(find(settings.home / DIRECTORY, name).host for name in apis)
    return replace(
        network,
        mode="open" if network.mode == "open" else "allow",
        hosts=tuple(dict.fromkeys((*network.hosts, *hosts))),
    )


def hosts_from(texts: Iterable[str]) -> tuple[str, ...]:
    """Read hosts that a person wrote."""
    from workhand.guard.egress.hosts import Malformed, pattern

    try:
        return tuple(pattern(text) for text in texts if text.strip())
    except Malformed as error:
        raise ConfigError(
            f"{error}; give hosts such as example.com, *.example.com or, for a port of this computer, "
            "host.internal:8000."
        ) from error


def _asked(approve: str, known: Approvals, settings: Settings) -> Approvals:
    if approve == "deny":
        return replace(known, asked="deny")
    if approve == "never-ask":
        return replace(known, asked="never")
    return replace(approvals(settings, Path(approve)), asked="deny")


def approvals(settings: Settings, file: Path | None = None) -> Approvals:
    """Give the rules of a file, or those that are set, or the defaults, with the answers that hold everywhere."""
    from workhand.guard.ruleset import RuleSet, load

    chosen = file or settings.approvals
    if chosen is not None and file is None and settings.file is not None:
        chosen = settings.file.parent / chosen.expanduser()
    rules = load(chosen) if chosen is not None else RuleSet()
    return Approvals(rules.rules, trust_after=rules.trust_after, answers=remembered(settings).answers())


def remembered(settings: Settings) -> Remembered:
    """Give the answers that the person has given for every session."""
    from workhand.guard.answers import Remembered

    return Remembered(settings.home / "answers.json")
