"""Mail: one message (eml) or a box of them (mbox).

Attachments are listed, and read when they are named.
"""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage, MIMEPart
from fnmatch import fnmatch

from . import markdown, web
from .encodings import text_of

TYPE_CHECKING = False  # and not typing's: importing it takes longer than most of what follows
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Source

HEADERS = ("From", "To", "Cc", "Date", "Subject")
PARTS_MAX = 1_000  # a message in a message counts with its parts


def read(source: Source) -> Iterator[str]:
    return _message(source.content(), source)


def read_box(source: Source) -> Iterator[str]:
    for number, content in enumerate(_messages(source), 1):
        source.budget.member(number)
        source.facts["pages"] = number
        if number in source.pages:
            yield markdown.heading(2, f"Message {number}")
            yield from _message(content, source)


def _messages(source: Source) -> Iterator[bytes]:
    """Take a box apart: a message begins where a line after an empty one begins with ``From``."""
    lines: list[bytes] = []
    empty = True
    source.file.seek(0)
    for line in source.file:
        source.budget.unpack(len(line))
        if empty and line.startswith(b"From "):
            if lines:
                yield b"".join(lines)
            lines = []
        else:
            lines.append(line[1:] if line.startswith(b">From ") else line)
        empty = not line.strip()
    yield b"".join(lines)


def _message(content: bytes, source: Source) -> Iterator[str]:
    message = email.message_from_bytes(content, _class=EmailMessage, policy=email.policy.default)
    source.facts.setdefault("title", _header(message, "Subject"))
    yield "\n".join(markdown.entry(f"{name}: {text}") for name in HEADERS if (text := _header(message, name)))
    body = message.get_body(("plain", "html"))
    if body is not None:
        text = _text(body)
        yield from web.page(text, source) if body.get_content_subtype() == "html" else [text.strip()]
    attached = [part for part in _parts(message) if part is not body and _name(part)]
    if attached:
        yield "Attachments; read one with `extract FILE NAME`:"
    for part in attached:
        payload = _payload(part)
        name = _name(part)
        yield markdown.entry(f"{name} ({part.get_content_type()}, {len(payload):,} bytes)")
    yield from _named(attached, source)


def _named(attached: list[EmailMessage], source: Source) -> Iterator[str]:
    from .kinds import blocks_of  # which knows this module

    for part in attached:
        name = _name(part)
        if any(fnmatch(name, wanted) for wanted in source.members):
            yield markdown.heading(2, name)
            yield from blocks_of(source.inside(name, _payload(part)))


def _parts(message: EmailMessage) -> list[EmailMessage]:
    """Give what has content of its own: the leaves, and messages that are attached whole."""
    waiting, found = [message], list[EmailMessage]()
    while waiting and len(found) < PARTS_MAX:
        part = waiting.pop(0)
        if part.get_content_maintype() == "multipart":
            waiting += [each for each in part.iter_parts() if isinstance(each, EmailMessage)]
        else:
            found.append(part)
    return found


def _name(part: EmailMessage) -> str:
    """Give the name of an attachment; a message that is attached whole is named by its subject."""
    name = part.get_filename()
    if not name and part.get_content_type() == "message/rfc822":
        return f"{_header(part.get_content(), 'Subject') or 'message'}.eml"
    return name or ""


def _payload(part: MIMEPart) -> bytes:
    if part.get_content_type() == "message/rfc822":
        return bytes(part.get_content())
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(part: MIMEPart) -> str:
    return text_of(_payload(part), part.get_content_charset() or "")


def _header(message: EmailMessage, name: str) -> str:
    return " ".join(str(message.get(name, "")).split())
