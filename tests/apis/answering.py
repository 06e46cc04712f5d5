"""A server that stands for an API: it answers as the API's description says, and keeps what it was sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import Handler, serving

DEPTH_MAX = 4
METHODS = ("get", "put", "post", "delete", "patch")
FORMATS = {
    "date-time": "2026-11-26T06:00:00+00:00",
    "date": "2026-11-26",
    "uuid": "0b4b0e0a-8d7e-4f5c-9a3e-2f6d1c7b5a90",
    "email": "ann@example.com",
    "uri": "https://example.com/",
}
KINDS: dict[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "null": None}


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]  # by their names in lower case
    body: bytes


@dataclass(slots=True)
class Answering:
    """An API that answers by its description."""

    description: Mapping[str, Any]
    prefix: str = ""  # of paths
    port: int = 0
    sent: list[Sent] = field(default_factory=list)

    def answer(self, sent: Sent) -> tuple[int, Any]:
        self.sent.append(sent)
        path = sent.target.partition("?")[0].removeprefix(self.prefix)
        for template, item in sorted(self.description["paths"].items(), key=lambda each: each[0].count("{")):
            pattern = re.sub(r"\\\{[^{}/]*\\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and sent.method.lower() in item:
                return self._said(item[sent.method.lower()]["responses"])
        return 404, {"no such operation": path}

    def _said(self, responses: Mapping[str, Any]) -> tuple[int, Any]:
        """Answer with the first success that is described."""
        for status, stated in sorted(responses.items()):
            if str(status).startswith("2"):
                content = self._resolved(stated).get("content", {})
                media: Mapping[str, Any] = next((content[kind] for kind in content if "json" in kind), {})
                return int(status), self.sample(media["schema"]) if "schema" in media else None
        return 204, None

    def sample(self, stated: Mapping[str, Any], depth: int = 0) -> Any:
        """Give a value of a schema: its example, or the plainest there is."""
        schema = self._resolved(stated)
        values = [schema.get("const"), *schema.get("enum", ())[:1], schema.get("default"), schema.get("example")]
        for said in values:
            if isinstance(said, (str, int, float)):  # examples of objects may lack what their schema needs
                return said
        for key in ("oneOf", "anyOf"):
            if key in schema:
                return self.sample(schema[key][0], depth + 1)
        if "allOf" in schema:
            parts = [self.sample(each, depth) for each in (*schema["allOf"], _without_parts(schema))]
            return {key: value for part in parts if isinstance(part, dict) for key, value in part.items()} or parts[0]
        return self._plain(schema, depth)

    def _plain(self, schema: Mapping[str, Any], depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else None)
        kind = kind[0] if isinstance(kind, list) else kind
        if kind == "object":
            needed = schema.get("required", ())
            stated = schema.get("properties", {}).items()
            return {name: self.sample(each, depth + 1) for name, each in stated if name in needed or depth < DEPTH_MAX}
        if kind == "array":
            return [self.sample(schema["items"], depth + 1)] if depth < DEPTH_MAX and "items" in schema else []
        return KINDS[kind] if kind in KINDS else FORMATS.get(schema.get("format", ""), "text")

    def _resolved(self, stated: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in stated:
            found: Any = self.description
            for part in stated["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            stated = found
        return stated


def _without_parts(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in schema.items() if key != "allOf"}


@contextmanager
def served(api: Answering) -> Iterator[Answering]:
    """Serve an API on this computer's loopback."""

    class Answers(Handler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, said = api.answer(Sent(self.command, self.path, headers, self.received()))
            content = b"" if status == 204 else json.dumps(said, default=str).encode()
            self.say(content, "application/json", status)

        do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

    with serving(Answers) as api.port:
        yield api
