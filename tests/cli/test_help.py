"""Every command explains itself, at once, and the page about them says the same."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from tests.cli.make_page import COMMANDS, PAGE, block, help_of

HEAVY = {"httpx2", "pydantic", "rich", "apsw", "xllamacpp", "zstandard", "genai_prices", "jsonschema"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_begins_its_help_with_a_sentence(name: str) -> None:
    first = help_of(name).split("\n\n")[1].strip()
    assert first[0].isupper() and len(first.split()) >= 5 and first.rstrip().endswith((".", ":")), first


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    options = [each for each in COMMANDS[name].params if isinstance(each, click.Option) and not each.help]
    assert [each.opts for each in options] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_has_the_help_of_every_command(name: str) -> None:
    assert block(name) in PAGE.read_text(), "python -m tests.cli.make_page puts it there"


@pytest.mark.parametrize("name", [name for name in COMMANDS if not isinstance(COMMANDS[name], click.Group)])
def test_the_page_has_an_example_of_every_command(name: str) -> None:
    assert any(line.startswith(f"$ {name}") for line in PAGE.read_text().splitlines())


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["run", "--help"], ["sessions", "--help"], ["show", "--help"], ["lab", "import", "--help"]],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from workhand.cli.main import workhand\n"
        f"workhand({arguments!r}, standalone_mode=False)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.intersection(ran.stderr.split()) == set()
