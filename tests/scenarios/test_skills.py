"""Skills are named in the prompt, read in the machine, and cannot be changed there; so are instructions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell

pytestmark = pytest.mark.usefixtures("require_bubblewrap")

HEAD = "---\nname: {0}\ndescription: Write {0} as this house does.\n---\n\n# How\n\nIn blue.\n"


def skill(parent: Path, name: str, text: str = HEAD) -> Path:
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(text.format(name))
    return folder


def test_skills_are_in_the_prompt_by_name_and_in_the_machine_read_only(workhand: Workhand) -> None:
    project = workhand.directory / "mine"
    skill(project / ".agents" / "skills", "letters")
    (project / "AGENTS.md").write_text("Always greet first.\n")
    assert workhand("skills", "add", str(skill(workhand.directory, "release-notes"))).code == 0
    listed = workhand("skills", "ls", "--workspace", "mine", "--json").lines
    assert [each["name"] for each in listed] == ["letters", "release-notes"]
    look = shell("cat /opt/skills/*/SKILL.md; touch /opt/skills/letters/x; ls /opt/skills/letters")
    model = workhand.script(PLAN, BEGIN, look, DELIVER)
    ran = workhand("run", "--model", model, "--approve", "never-ask", "--workspace", "mine", "Write")
    assert ran.code == 0, ran.err
    started = json.dumps(workhand.events(workhand.session())[0])
    assert "- letters: Write letters as this house does. (/opt/skills/letters/SKILL.md)" in started
    assert "release-notes" in started and "In blue" not in started and "Always greet first." in started
    brought = workhand("show", workhand.session(), "--events", "--json").out
    assert brought.count("In blue.") == 2 and "Read-only file system" in brought


def test_a_session_without_skills_has_the_prompt_that_it_always_had(workhand: Workhand) -> None:
    model = workhand.script(PLAN, BEGIN, DELIVER)
    assert workhand("run", "--model", model, "Write").code == 0
    assert "Skills are at hand" not in json.dumps(workhand.events(workhand.session())[0])


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("plain", "# No head\n", "has no description"),
        ("other", HEAD.replace("name: {0}", "name: another"), "names itself 'another'; call it 'other'"),
        ("Upper", HEAD, "names itself 'Upper'"),
        ("bare", "---\nname: {0}\n---\n", "has no description"),
    ],
)
def test_what_is_wrong_with_a_skill_is_said(workhand: Workhand, name: str, text: str, complaint: str) -> None:
    folder = skill(workhand.directory, name, text)
    for command in ("check", "add"):
        said = workhand("skills", command, str(folder))
        assert (said.code, complaint in said.err) == (3, True), said.err
    assert workhand("skills", "check", str(skill(workhand.directory, "good"))).out.startswith("good: Write good as")
