"""``file_view``: a picture, or one page of a document, for a model that sees.

What is shown is kept like any original, and shown again from there: the file may change.  Documents, and pictures that
models would refuse, are drawn inside the machine, since what comes from there is never parsed on the host.
"""

from __future__ import annotations

from dataclasses import dataclass

from workhand.core.ports import Outcome, Sandbox
from workhand.core.preview.media import size_of, type_of

PICTURE_BYTES_MAX = 3_500_000  # providers take 5 MB of base64
SIDE_PIXELS_MAX = 2_000  # of a picture among many
SIDE_DRAWN = 1_500
DRAWN = "/tmp/.file_view.png"
DRAW_S = 120.0
WORDS_BYTES_MAX = 2_000
BLIND = "This model cannot see pictures; `extract FILE` in shell_run reads what is written in documents and pictures."


@dataclass(frozen=True, slots=True)
class FileView:
    path: str
    page: int = 1


async def file_view(asked: FileView, sandbox: Sandbox) -> Outcome:
    content = await sandbox.read(asked.path, bytes_max=PICTURE_BYTES_MAX + 1)
    what = asked.path if size_of(content) else f"{asked.path} page {asked.page}"
    if not _is_taken(content):
        drawn = await _drawn(asked, size_of(content), sandbox)
        if isinstance(drawn, str):
            return Outcome(drawn, f"file_view {what}: {drawn}", ok=False)
        content = drawn
    if not _is_taken(content):
        reason = f"{what} makes too large a picture; draw less of it with `render` in shell_run."
        return Outcome(reason, f"file_view {what}: {reason}", ok=False)
    width, height = size_of(content) or (0, 0)
    size, media = f"{width} x {height} pixels", type_of(content)
    return Outcome(f"{what}, {size}", f"file_view {what}: {size}", content, as_is=True, hidden=True, picture=media)


def _is_taken(content: bytes) -> bool:
    pixels = size_of(content)
    fits = pixels is not None and max(pixels) <= SIDE_PIXELS_MAX and len(content) <= PICTURE_BYTES_MAX
    return fits and type_of(content) != ""


async def _drawn(asked: FileView, pixels: tuple[int, int] | None, sandbox: Sandbox) -> bytes | str:
    """Draw a file inside, an image in its own proportions; a string says why that cannot be done."""
    wide, high = pixels or (SIDE_DRAWN, SIDE_DRAWN)
    scale = min(1.0, SIDE_DRAWN / max(wide, high))
    size = ("--width", str(max(1, round(wide * scale))), "--height", str(max(1, round(high * scale))))
    argv = ("render", asked.path, DRAWN, "--pages", str(asked.page), *size)
    went = await sandbox.execute(argv, timeout_s=DRAW_S, output_bytes_max=WORDS_BYTES_MAX)
    if went.exit_code != 0:
        reason = went.stderr.decode(errors="replace").strip().removeprefix("render: ")
        return reason or f"{asked.path} could not be drawn within {DRAW_S:g} s."
    return await sandbox.read(DRAWN, bytes_max=PICTURE_BYTES_MAX + 1)
