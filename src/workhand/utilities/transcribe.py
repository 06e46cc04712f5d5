"""``transcribe``: speech becomes text, with the recogniser that the user has named, or one that is in the machine.

A recogniser reads what every one of them reads: a WAV file of one channel with 16,000 samples of 16 bits a
second.  What is not that is made into it, a WAV file by us and all else by ffmpeg.
"""

from __future__ import annotations

import array
import getopt
import os
import shlex
import shutil
import sys
import tempfile
import wave

from .budget import OverBudget, Unreadable
from .programs import need, run

HELP = """\
transcribe FILE [-o OUT.txt]

Turn the speech in FILE into text, on standard output or in OUT.txt, with the recogniser that the user has named in
their settings, or with pocketsphinx, which knows English and mistakes many words. No punctuation is to be expected.

FILE   wav; mp3, ogg, m4a, flac, mp4, webm and more (with ffmpeg)

A long recording takes minutes: give shell_run a longer timeout_s.

Exit status: 0 done, 1 not done (the reason is on standard error), 2 wrong arguments, 3 stopped at a limit (30 minutes,
2 hours of sound).
"""

COMMAND = "WORKHAND_TRANSCRIBE"  # what the user has named, in the machine's environment; {file} stands for the sound
FILE = "{file}"
POCKETSPHINX = ("pocketsphinx_continuous", "-logfn", os.devnull, "-infile", FILE)
RATE = 16_000
SAMPLE_BYTES = 2
SOUND_S_MAX = 2 * 3_600
TIME_S = 1_800
OUTPUT_BYTES_MAX = 32 << 20
CHUNK_FRAMES = 1 << 16
NONE = (
    "Nothing in this machine recognises speech; the user can install pocketsphinx and pocketsphinx-en-us, or name a "
    "program as `command` of [transcribe] in the settings."
)


def main(arguments: list[str]) -> int:
    options, operands = getopt.gnu_getopt(arguments, "o:")
    given = dict(options)
    if len(operands) != 1:
        raise getopt.GetoptError("give one file")
    os.stat(operands[0])
    argv = recogniser()
    with tempfile.TemporaryDirectory() as folder:
        sound = os.path.join(folder, "sound.wav")
        prepare(operands[0], sound)
        said = run([each.replace(FILE, sound) for each in argv], time_s=TIME_S, output_bytes_max=OUTPUT_BYTES_MAX)
    text = said.decode("utf-8", "replace").strip() or "[no speech was recognised]"
    if "-o" in given:
        with open(given["-o"], "w", encoding="utf-8") as out:
            out.write(text + "\n")
    else:
        sys.stdout.buffer.write(text.encode("utf-8") + b"\n")
    return 0


def recogniser() -> list[str]:
    """Give the command that recognises speech in ``{file}``."""
    named = shlex.split(os.environ.get(COMMAND, ""))
    if named and not shutil.which(named[0]):
        raise Unreadable(
            f"There is no {named[0]!r} in this machine, which the user's settings name; they can put it there."
        )
    if not named and not shutil.which(POCKETSPHINX[0]):
        raise Unreadable(NONE)
    return named or list(POCKETSPHINX)


def prepare(path: str, out: str) -> None:
    """Make a file the sound that recognisers read."""
    if not shutil.which("ffmpeg") and _is_wave(path):
        return _resample(path, out)
    argv = [need("ffmpeg", purpose="reading this sound"), "-nostdin", "-v", "error", "-i", os.path.abspath(path)]
    argv += ["-vn", "-t", str(SOUND_S_MAX), "-ac", "1", "-ar", str(RATE), "-c:a", "pcm_s16le", "-y", out]
    run(argv, time_s=TIME_S, output_bytes_max=SOUND_S_MAX * RATE * SAMPLE_BYTES)
    return None


def _is_wave(path: str) -> bool:
    with open(path, "rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"WAVE"


def _resample(path: str, out: str) -> None:
    """Write the first channel of a WAV file at the rate of recognisers, drawing lines between its samples."""
    samples, rate = _first_channel(path)
    with wave.open(out, "wb") as made:
        made.setparams((1, SAMPLE_BYTES, RATE, 0, "NONE", ""))
        made.writeframes(_at_rate(samples, rate).tobytes())


def _first_channel(path: str) -> tuple[array.array[int], int]:
    samples = array.array("h")
    try:
        with wave.open(path, "rb") as sound:
            channels, size, rate, frames = sound.getparams()[:4]
            if size != SAMPLE_BYTES:
                raise Unreadable(f"Its samples have {size * 8} bits, and without ffmpeg only 16 can be read.")
            if frames > SOUND_S_MAX * rate:
                raise OverBudget(f"It is longer than {SOUND_S_MAX // 3_600} hours; give a part of it.")
            while chunk := sound.readframes(CHUNK_FRAMES):
                whole = array.array("h", chunk[: len(chunk) - len(chunk) % SAMPLE_BYTES])
                samples.extend(whole[::channels])
    except (wave.Error, EOFError) as error:
        raise Unreadable(f"{path}: This is not sound that can be read: {error}.") from error
    return samples, rate or RATE


def _at_rate(samples: array.array[int], rate: int) -> array.array[int]:
    if rate == RATE:
        return samples
    last = len(samples) - 1
    drawn = array.array("h")
    for index in range(len(samples) * RATE // rate):
        before, part = divmod(index * rate, RATE)
        low, high = samples[before], samples[min(before + 1, last)]
        drawn.append(low + (high - low) * part // RATE)
    return drawn
