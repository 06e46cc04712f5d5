"""Speech becomes text by the recogniser that a person has named, or by one that is there; without any, that is said."""

from __future__ import annotations

import array
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from tests.programs import needs
from tests.utilities.test_commands import LAUNCH

LISTENS = """#!{python}
import sys, wave
sound = wave.open(sys.argv[1])
heard = sound.readframes(sound.getnframes())
print(sound.getparams()[:4], *(int.from_bytes(heard[at:at + 2], "little", signed=True) for at in (0, 2, 4)))
"""


def transcribe(
    folder: Path, *arguments: str, path: str = "/nowhere", command: str = ""
) -> subprocess.CompletedProcess[str]:
    link = folder / "transcribe"
    if not link.exists():
        link.symlink_to(LAUNCH)
    argv = [sys.executable, "-I", "-S", "-W", "error", str(link), *arguments]
    environment = {"PATH": path, "WORKHAND_TRANSCRIBE": command}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


def sound(path: Path, samples: list[int], *, rate: int, channels: int = 1, size: int = 2) -> None:
    with wave.open(str(path), "wb") as made:
        made.setparams((channels, size, rate, 0, "NONE", ""))
        made.writeframes(array.array("h", samples).tobytes())


@pytest.fixture
def listener(tmp_path: Path) -> str:
    """A recogniser that says what it was given."""
    program = tmp_path / "listener"
    program.write_text(LISTENS.format(python=sys.executable))
    program.chmod(0o755)
    return f"'{program}' {{file}}"


def test_a_recogniser_gets_the_sound_as_every_one_reads_it(tmp_path: Path, listener: str) -> None:
    sound(tmp_path / "a.wav", [0, 9, 100, 9, 200, 9, 300, 9], rate=8_000, channels=2)
    went = transcribe(tmp_path, "a.wav", command=listener)
    assert (went.returncode, went.stdout) == (0, "(1, 2, 16000, 8) 0 50 100\n"), went.stderr
    sound(tmp_path / "b.wav", [1, 2, 3], rate=16_000)
    assert transcribe(tmp_path, "b.wav", "-o", "b.txt", command=listener).stdout == ""
    assert (tmp_path / "b.txt").read_text() == "(1, 2, 16000, 3) 1 2 3\n"


@pytest.mark.parametrize(
    ("arguments", "command", "status", "sentence"),
    [
        ([], "", 2, "transcribe: give one file; see transcribe --help.\n"),
        (["none.wav"], "", 1, "transcribe: none.wav: No such file or directory.\n"),
        (["a.wav"], "", 1,
         "transcribe: Nothing in this machine recognises speech; the user can install pocketsphinx and "
         "pocketsphinx-en-us, or name a program as `command` of [transcribe] in the settings.\n"),
        (["a.wav"], "whisper-cli -f {file}", 1,
         "transcribe: There is no 'whisper-cli' in this machine, which the user's settings name; "
         "they can put it there.\n"),
        (["a.mp3"], "/bin/true", 1,
         "transcribe: There is no ffmpeg in this machine, and reading this sound needs it.\n"),
        (["broken.wav"], "/bin/true", 1,
         "transcribe: broken.wav: This is not sound that can be read: fmt chunk and/or data chunk missing.\n"),
        (["deep.wav"], "/bin/true", 1,
         "transcribe: Its samples have 24 bits, and without ffmpeg only 16 can be read.\n"),
        (["a.wav"], "/bin/false", 1, "transcribe: false failed: it ended with status 1.\n"),
    ],
)  # fmt: skip
def test_what_cannot_be_transcribed_is_said_in_one_sentence(
    tmp_path: Path, arguments: list[str], command: str, status: int, sentence: str
) -> None:
    sound(tmp_path / "a.wav", [0] * 100, rate=16_000)
    sound(tmp_path / "deep.wav", [0] * 99, rate=16_000, size=3)
    (tmp_path / "broken.wav").write_bytes(b"RIFF\x04\0\0\0WAVE")
    (tmp_path / "a.mp3").write_bytes(b"ID3")
    went = transcribe(tmp_path, *arguments, command=command)
    assert (went.returncode, went.stdout, went.stderr) == (status, "", sentence)


@needs("espeak-ng", "pocketsphinx_continuous", package="espeak-ng pocketsphinx pocketsphinx-en-us")
def test_words_that_were_spoken_are_heard(tmp_path: Path) -> None:
    speech = "one two three four five"
    subprocess.run(["espeak-ng", "-v", "en-us", "-s", "130", "-w", str(tmp_path / "a.wav"), speech], check=True)
    went = transcribe(tmp_path, "a.wav", path="/usr/bin:/bin")
    assert (went.returncode, went.stderr) == (0, "")
    assert len(set(went.stdout.split()) & set(speech.split())) >= 3, went.stdout
