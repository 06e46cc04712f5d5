"""Rules are read from a file, and what is wrong with it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from workhand.core.consent.defaults import DEFAULTS
from workhand.core.consent.rules import Rule
from workhand.errors import ConfigError
from workhand.guard.ruleset import RuleSet, load

RULES = """
trust_after = 0
[[rule]]
name = "own"
verdict = "allow"
commands = ["git push origin"]
[[rule]]
name = "cheap"
verdict = "ask"
tools = ["shop_*"]
arguments = {text = "^buy", item = "x"}
amount_above = 20
irreversible = true
why = "Money."
"""


def test_rules_of_a_file_come_before_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(RULES)
    own = (
        Rule("own", "allow", commands=("git push origin",)),
        Rule(
            "cheap", "ask", ("shop_*",), (("item", "x"), ("text", "^buy")),
            amount_above=20.0, irreversible=True, why="Money.",
        ),
    )  # fmt: skip
    assert load(tmp_path / "r.toml") == RuleSet((*own, *DEFAULTS), 0)
    (tmp_path / "r.toml").write_text("defaults = false\n" + RULES)
    assert load(tmp_path / "r.toml") == RuleSet(own, 0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rule = [", "not valid TOML"),
        ("tust_after = 1", "no key 'tust_after'; there are rule, defaults, trust_after"),
        ('[[rule]]\nname = "a"\nverdict = "maybe"', "rule 'a': verdict: input should be 'allow', 'ask' or 'deny'"),
        ('[[rule]]\nname = "a"\nverdict = "ask"\nhost = ["x"]', "rule 'a': there is no key 'host'; there are name,"),
        ('[[rule]]\nverdict = "ask"', "rule 1: name: "),
        ('[[rule]]\nname = "a"\nverdict = "ask"\narguments = {x = "("}', "rule 'a' has the regular expression '('"),
        ('[[rule]]\nname = "a"\nverdict = "ask"\n' * 2, "two rules called 'a'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"r\.toml") as raised:
        load(tmp_path / "r.toml")
    assert complaint in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml.*No such file"):
        load(tmp_path / "none.toml")
