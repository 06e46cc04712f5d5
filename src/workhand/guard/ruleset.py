"""Read rules from a TOML file.

    defaults = true            # whether Workhand's own rules hold behind these
    trust_after = 3            # like approvals in a session, after which the like is not asked for; 0: never

    [[rule]]
    name = "own-remote"
    verdict = "allow"          # or "ask", "deny"
    commands = ["git push origin"]

What a rule may state is in ``workhand.core.consent.rules``, where the language of ``commands`` is described, too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from workhand.core.consent.defaults import DEFAULTS
from workhand.core.consent.rules import Rule, Verdict
from workhand.errors import ConfigError

TRUST_AFTER = 3


@dataclass(frozen=True, slots=True)
class RuleSet:
    rules: tuple[Rule, ...] = DEFAULTS
    trust_after: int = TRUST_AFTER


@dataclass(frozen=True, slots=True)
class _Stated:
    """A rule as it is written; ``arguments`` is a table there."""

    name: str
    verdict: Verdict
    tools: tuple[str, ...] = ()
    arguments: dict[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    outside: bool = False
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    unnamed: bool = False
    amount_above: float | None = None
    opaque: bool = False
    irreversible: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class _File:
    rule: tuple[_Stated, ...] = ()
    defaults: bool = True
    trust_after: int = TRUST_AFTER


def load(file: Path) -> RuleSet:
    """Read a file of rules.  Raises ``ConfigError`` naming the file, the rule and the key."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

    try:
        stated = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"The rules {str(file)!r} cannot be read: {error.strerror}; check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The rules {str(file)!r} are not valid TOML: {error}.") from error
    for kind in (_File, _Stated):
        with_config(ConfigDict(extra="forbid"))(kind)
    try:
        read = TypeAdapter(_File).validate_python(stated)
    except ValidationError as error:
        raise _fault(error.errors()[0], stated, file) from error
    names = [each.name for each in read.rule]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"The rules {str(file)!r} have two rules called {twice[0]!r}; rename one.")
    own = tuple(_rule(each, file) for each in read.rule)
    return RuleSet((*own, *(DEFAULTS if read.defaults else ())), read.trust_after)


def _rule(stated: _Stated, file: Path) -> Rule:
    for pattern in stated.arguments.values():
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(
                f"The rules {str(file)!r}: rule {stated.name!r} has the regular expression {pattern!r}, "
                f"which is none ({error}); mend it."
            ) from error
    values = {each.name: getattr(stated, each.name) for each in fields(_Stated)}
    return Rule(**values | {"arguments": tuple(sorted(stated.arguments.items()))})


def _fault(first: Mapping[str, Any], stated: Mapping[str, Any], file: Path) -> ConfigError:
    place = first["loc"]
    rules = stated.get("rule")
    name = ""
    if len(place) > 2 and place[0] == "rule" and isinstance(rules, list) and isinstance(rules[place[1]], dict):
        name = f"rule {rules[place[1]].get('name', place[1] + 1)!r}: "
    key = str(place[-1]) if place else ""
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = ", ".join(each.name for each in fields(_Stated if name else _File))
        return ConfigError(f"The rules {str(file)!r}: {name}there is no key {key!r}; there are {known}.")
    return ConfigError(f"The rules {str(file)!r}: {name}{key}: {first['msg'].lower()}.")
