"""What a machine is given beside its workspace, and what the model is told of it: programs, skills, APIs, data."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import workhand.utilities
from workhand.cli.session import apis, datasets, skills
from workhand.cli.settings import Settings, Transcribing
from workhand.core.policy import Guard
from workhand.errors import ConfigError
from workhand.utilities.commands import COMMANDS, LIST
from workhand.utilities.transcribe import COMMAND

INSIDE = "/opt/workhand/utilities"
SHOWN = {INSIDE: Path(workhand.utilities.__file__).parent}
SPEECH = "/opt/speech"
LINKS = {f"/opt/workhand/bin/{name}": f"{INSIDE}/launch.py" for name in (LIST, *COMMANDS)}


class Provisions(TypedDict):
    """Fields of a ``MachineSpec``."""

    shown: dict[str, Path]
    environment: dict[str, str]
    links: dict[str, str]


def provisions(settings: Settings, guard: Guard, workspace: Path | None) -> Provisions:
    """Give what a machine is given; of a workspace that is not the session's own, also the skills that lie there.

    Raises ``ConfigError`` if something that the settings name is not there.
    """
    modules = apis.shown(settings, guard)
    shown = {**SHOWN, **skills.shown(settings, workspace), **modules, **datasets.shown(settings, guard)}
    if (model := _speech(settings.transcribe)) is not None:
        shown[SPEECH] = model
    command = settings.transcribe.command.replace("{model}", SPEECH)
    environment = {**apis.environment(modules), **({COMMAND: command} if command else {})}
    return Provisions(shown=shown, environment=environment, links=LINKS)


def told(settings: Settings, guard: Guard, workspace: Path | None) -> str:
    """Give what the model is told of them, behind its system prompt."""
    return skills.told(settings, workspace) + apis.told(settings, guard) + datasets.told(settings, guard)


def _speech(stated: Transcribing) -> Path | None:
    """Give the folder of the model that recognises speech, if one is named."""
    if stated.model is None:
        return None
    model = stated.model.expanduser().absolute()
    if not stated.command or not model.is_dir():
        missing = "needs a `command` with {model} in it" if not stated.command else "is not a folder"
        raise ConfigError(f"The model {str(stated.model)!r} of [transcribe] in the settings {missing}; correct it.")
    return model
