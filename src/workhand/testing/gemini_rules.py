"""The rules that a request of the Gemini API has to keep, as sentences that name the one it breaks.

They are those of the documentation, and those that current models hold a request to besides:
a content with function responses has nothing else in it, and the model is not the last to
have spoken.  A signature is good on the part that it was given out with, and on no other.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Generator, Iterator, Mapping
from hashlib import sha256
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from workhand.core.canonical import Json, encode

DUMMIES = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
NAME = re.compile(r"[A-Za-z_][\w.:-]{0,127}", re.ASCII)
DATA = frozenset({"text", "inlineData", "functionCall", "functionResponse"})
REQUEST = (
    "contents",
    "tools",
    "toolConfig",
    "systemInstruction",
    "generationConfig",
    "safetySettings",
    "cachedContent",
)
CONFIG = ("maxOutputTokens", "responseMimeType", "responseJsonSchema", "stopSequences", "thinkingConfig", "seed")
FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "request": frozenset(REQUEST),
        "content": frozenset({"parts", "role"}),
        "part": DATA | {"thought", "thoughtSignature"},
        "inlineData": frozenset({"data", "mimeType"}),
        "functionCall": frozenset({"args", "id", "name"}),
        "functionResponse": frozenset({"id", "name", "parts", "response"}),
        "declaration": frozenset({"description", "name", "parametersJsonSchema"}),
        "functionCallingConfig": frozenset({"allowedFunctionNames", "mode"}),
        "generationConfig": frozenset(CONFIG),
    }
)
"""The fields that are known, of those that make sense for an agent's request."""


def violation(request: Any) -> str:
    """Say which rule a request breaks first; nothing if it keeps all of them."""
    return next(_violations(request), "")


def sign(part: Mapping[str, Json]) -> str:
    """Give the signature of a part, which is good for this part alone."""
    return base64.b64encode(sha256(b"gemini-fake" + encode(dict(part))).digest()).decode()


def allowed(request: dict[str, Any]) -> tuple[str, dict[str, Json]]:
    """Give the mode, and the schemas of the functions that may be called, by name."""
    calling = request.get("toolConfig", {}).get("functionCallingConfig", {})
    declared = [each for tool in request.get("tools", []) for each in tool.get("functionDeclarations", [])]
    schemas = {each["name"]: each.get("parametersJsonSchema", {}) for each in declared}
    mode = calling.get("mode", "AUTO")
    names = calling.get("allowedFunctionNames") or schemas
    return mode, {} if mode == "NONE" else {name: schemas[name] for name in names if name in schemas}


def _violations(request: Any) -> Iterator[str]:
    """Check rule by rule: what is checked later relies on what was checked before."""
    yield from _unknown("", request, "request")
    contents = request.get("contents")
    if not isinstance(contents, list) or not contents:
        yield "GenerateContentRequest.contents: contents is not specified"
    for i, content in enumerate(contents):
        yield from _content(f"contents[{i}]", content)
    instruction = request.get("systemInstruction", {"parts": [{"text": "none"}]})
    yield from _unknown("systemInstruction", instruction, "content")
    yield from _content("systemInstruction", {"role": "user"} | instruction)
    yield from _turns(contents)
    yield from _pairs(contents)
    yield from _signatures(contents)
    declared = yield from _declarations(request.get("tools", []))
    yield from _calling(request.get("toolConfig", {}), declared)
    yield from _generation(request)


def _unknown(where: str, value: Any, kind: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"Invalid value at '{where}': an object is wanted."
    for name in sorted(value.keys() - FIELDS[kind]):
        yield f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field."


def _content(where: str, content: Any) -> Iterator[str]:
    yield from _unknown(where, content, "content")
    if content.get("role") not in ("user", "model"):
        yield f"{where}.role: Please use a valid role: user, model."
    if not isinstance(content.get("parts"), list) or not content["parts"]:
        yield f"{where}.parts: contents.parts must not be empty."
    for i, part in enumerate(content["parts"]):
        yield from _part(f"{where}.parts[{i}]", part, content["role"])


def _part(where: str, part: Any, role: str) -> Iterator[str]:
    yield from _unknown(where, part, "part")
    kinds = part.keys() & DATA
    if len(kinds) != 1 or (part.get("text") == "" and "thoughtSignature" not in part):
        yield f"{where}.data: required oneof field 'data' must have one initialized field."
    (kind,) = kinds
    if role != {"functionCall": "model", "functionResponse": "user"}.get(kind, role):
        yield f"{where}: the role {role} cannot send a {kind}."
    if "thoughtSignature" in part and role != "model":
        yield f"{where}: only parts of the model carry a thought_signature."
    if kind == "text":
        if not isinstance(part["text"], str):
            yield f"Invalid value at '{where}.text': a string is wanted."
        return
    value = part[kind]
    yield from _unknown(f"{where}.{kind}", value, kind)
    if kind == "inlineData" and not (_decodes(value.get("data")) and "/" in str(value.get("mimeType"))):
        yield f"Invalid value at '{where}.inlineData': Base64 and a MIME type are wanted."
    if kind != "inlineData" and not NAME.fullmatch(str(value.get("name") or "")):
        yield f"{where}.{kind}.name: Name cannot be empty or hold other characters than letters, digits, _ . : -"
    if not isinstance(value.get("response" if kind == "functionResponse" else "args", {}), dict):
        yield f"Invalid value at '{where}.{kind}': an object is wanted."


def _turns(contents: list[Any]) -> Iterator[str]:
    if contents[0]["role"] != "user":
        yield "Please ensure that the first content is from the user."
    if contents[-1]["role"] != "user":
        yield "Requests ending with a model turn are not supported."
    for i, (before, after) in enumerate(pairwise(contents), 1):
        follows = _all(before, "functionResponse") and not _all(after, "functionResponse")
        if before["role"] == after["role"] and not follows:
            yield f"contents[{i}]: Please ensure that multiturn requests alternate between user and model."


def _pairs(contents: list[Any]) -> Iterator[str]:
    """Hold every call to have its response in the next content, which has nothing else."""
    for i, (before, after) in enumerate(pairwise([{"parts": []}, *contents])):
        calls, responses = _all(before, "functionCall"), _all(after, "functionResponse")
        if responses and len(responses) < len(after["parts"]):
            yield (
                "Requests ending with a model turn are not supported: "
                f"contents[{i}] mixes function responses with other parts."
            )
        if responses and not calls:
            yield "Please ensure that function response turn comes immediately after a function call turn."
        if len(calls) != len(responses):
            yield (
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        if sorted(map(_identity, calls)) != sorted(map(_identity, responses)):
            yield f"contents[{i}]: Please ensure that function responses have the names and ids of their calls."


def _signatures(contents: list[Any]) -> Iterator[str]:
    """Hold signatures to be unchanged, and to be there since the user last spoke."""
    spoken = [i for i, each in enumerate(contents) if each["role"] == "user" and not _all(each, "functionResponse")]
    for i, content in enumerate(contents):
        for part in content["parts"]:
            signature = part.get("thoughtSignature")
            bare = {name: value for name, value in part.items() if name != "thoughtSignature"}
            if signature is None and "functionCall" in part and i > max(spoken, default=-1):
                yield (
                    "Function call is missing a thought_signature in functionCall parts. Additional data, function "
                    f"call `default_api:{part['functionCall']['name']}`, position {i + 1}."
                )
            if signature not in (None, *DUMMIES, sign(bare)):
                yield f"Thought signature is not valid: contents[{i}]."


def _declarations(tools: list[Any]) -> Generator[str, None, list[str]]:
    """Check the declarations; the names that they declare are the generator's own value."""
    declared: list[str] = []
    for tool in tools:
        for declaration in tool.get("functionDeclarations", []):
            yield from _unknown("tools", declaration, "declaration")
            name = str(declaration.get("name") or "")
            if not NAME.fullmatch(name):
                yield f"Invalid function name {name!r}."
            if name in declared:
                yield f"Duplicate function declaration found: {name}"
            if not isinstance(declaration.get("parametersJsonSchema", {}), dict):
                yield f"Invalid value at 'tools': the parameters of {name} must be a schema."
            declared.append(name)
    return declared


def _calling(config: Any, declared: list[str]) -> Iterator[str]:
    calling = config.get("functionCallingConfig", {})
    yield from _unknown("toolConfig.functionCallingConfig", calling, "functionCallingConfig")
    mode, names = calling.get("mode", "AUTO"), calling.get("allowedFunctionNames")
    if mode not in ("AUTO", "ANY", "NONE", "VALIDATED"):
        yield f"Invalid value at 'toolConfig.functionCallingConfig.mode': {mode!r}."
    if calling and not declared:
        yield "Function calling config is set without function_declarations."
    if names is not None and mode not in ("ANY", "VALIDATED"):
        yield "Allowed function names should only be set when the function calling mode is ANY or VALIDATED."
    for name in names or ():
        if name not in declared:
            yield f"Allowed function name {name!r} is not in the function declarations."


def _generation(request: dict[str, Any]) -> Iterator[str]:
    config = request.get("generationConfig", {})
    yield from _unknown("generationConfig", config, "generationConfig")
    if not isinstance(limit := config.get("maxOutputTokens", 1), int) or limit < 1:
        yield "max_output_tokens must be positive."
    json_wanted = config.get("responseMimeType") == "application/json"
    if "responseJsonSchema" in config and not json_wanted:
        yield "response_json_schema needs the response mime type 'application/json'."
    if json_wanted and allowed(request)[0] == "ANY":
        yield "Function calling with a response mime type: 'application/json' is unsupported"


def _all(content: Any, kind: str) -> list[Any]:
    return [part[kind] for part in content["parts"] if kind in part]


def _identity(named: Any) -> tuple[str, str]:
    return str(named["name"]), str(named.get("id") or "")


def _decodes(text: Any) -> bool:
    try:
        return isinstance(text, str) and bool(base64.b64decode(text, validate=True))
    except binascii.Error:
        return False
