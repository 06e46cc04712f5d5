"""Put secrets in the place of their placeholders on the way out, and take them out of what comes back."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote_from_bytes

from workhand.guard.egress.hosts import matches
from workhand.guard.exchange import Outgoing
from workhand.guard.secrets import Held, Secret

FILLER = b"*"


def is_for(secret: Secret, outgoing: Outgoing, *, named: bool) -> bool:
    """Say whether a secret may go with a request: to its host and path, encrypted unless the person named the host."""
    host = any(matches(pattern, outgoing.host, outgoing.port) for pattern in secret.hosts)
    path = outgoing.target.partition("?")[0]
    inside = path == secret.path or path.startswith(secret.path.rstrip("/") + "/")
    return host and inside and "/.." not in path and (outgoing.scheme == "https" or named)


def placed(outgoing: Outgoing, held: Iterable[Held]) -> Outgoing:
    """Give a request with the values of these secrets in headers, and in the body of those that may stand there.

    Never in the address: it is written down in too many places.
    """
    for each in held:
        token = each.secret.placeholder.encode()
        headers = tuple((name, _in_header(value, token, each.value)) for name, value in outgoing.headers)
        body = outgoing.body.replace(token, each.value) if each.secret.body else outgoing.body
        outgoing = replace(outgoing, headers=headers, body=body)
    return outgoing


def _in_header(value: bytes, token: bytes, secret: bytes) -> bytes:
    scheme, space, rest = value.partition(b" ")
    if scheme.lower() == b"basic" and space:
        try:
            plain = base64.b64decode(rest, validate=True)
        except binascii.Error:
            return value
        return scheme + space + base64.b64encode(plain.replace(token, secret)) if token in plain else value
    return value.replace(token, secret)


def spellings(value: bytes) -> tuple[bytes, ...]:
    """Give the ways in which a value is usually written, the longest first."""
    found = {value, value.hex().encode(), value.hex().upper().encode(), quote_from_bytes(value, safe="").encode()}
    found |= {json.dumps(value.decode(errors="replace"))[1:-1].encode(), *in_base64(value)}
    return tuple(sorted((each for each in found if len(each) >= 8), key=len, reverse=True))


def in_base64(value: bytes) -> tuple[bytes, ...]:
    """Give what of a value shows in base64, at each of the three places where it may begin."""
    found = []
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + value)
        begin = (offset * 8 + 5) // 6
        end = (offset + len(value)) * 8 // 6
        standard = whole[begin:end]
        found += [standard, standard.replace(b"+", b"-").replace(b"/", b"_")]
    return tuple(dict.fromkeys(found))


class StreamRedactor:
    """Replace every spelling of some values by filler of the same length, wherever a chunk ends."""

    def __init__(self, values: Iterable[bytes]) -> None:
        known = [spelling for value in values for spelling in spellings(value)]
        self._pattern = re.compile(b"|".join(map(re.escape, sorted(known, key=len, reverse=True))))
        self._longest = max(map(len, known))
        self._waiting = b""

    def feed(self, chunk: bytes) -> bytes:
        content = self._clean(self._waiting + chunk)
        kept = min(len(content), self._longest - 1)
        self._waiting = content[len(content) - kept :]
        return content[: len(content) - kept]

    def end(self) -> bytes:
        last, self._waiting = self._waiting, b""
        return last

    def _clean(self, content: bytes) -> bytes:
        return self._pattern.sub(lambda found: FILLER * len(found[0]), content)
