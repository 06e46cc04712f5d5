"""Google's ``generateContent``, as a server speaks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workhand.core.canonical import Json, encode
from workhand.testing.exchange import (
    THOUGHT_TOKENS,
    Answer,
    Asked,
    Block,
    Failure,
    Reply,
    pieces,
)
from workhand.testing.gemini_rules import allowed, sign
from workhand.testing.gemini_rules import violation as broken

FINISHED = {"done": "STOP", "limit": "MAX_TOKENS", "malformed": "MALFORMED_FUNCTION_CALL"}
STATUS = {
    "rule": (400, "INVALID_ARGUMENT"),
    "key": (400, "INVALID_ARGUMENT"),
    "overflow": (400, "INVALID_ARGUMENT"),
    "model": (404, "NOT_FOUND"),
    "path": (404, "NOT_FOUND"),
    "unavailable": (503, "UNAVAILABLE"),
}
EXHAUSTED = (429, "RESOURCE_EXHAUSTED")


def violation(request: Any, headers: Mapping[str, str]) -> str:
    return broken(request)


def asked(request: Any, target: str) -> Asked:
    model, _, method = target.rpartition("/")[2].partition(":")
    contents = request["contents"]
    spoken = [encode((content["role"], part)) for content in contents for part in content["parts"]]
    mode, schemas = allowed(request)
    config = request.get("generationConfig", {})
    return Asked(
        model=model,
        stream=method.startswith("stream"),
        blocks=tuple(map(Block, [encode(request.get("tools")), encode(request.get("systemInstruction")), *spoken])),
        spoken=[content["role"] for content in contents].count("model"),
        tools=schemas,
        must_call=mode == "ANY",
        question=str(contents[-1]["parts"][-1].get("text", "")),
        schema=config.get("responseJsonSchema"),
        tokens_max=config.get("maxOutputTokens"),
    )


def whole(asked: Asked, answer: Answer) -> Json:
    return _chunk(asked, answer, _parts(answer), ends=True)


def streamed(asked: Asked, answer: Answer) -> bytes:
    """Write text in pieces, and the reason to end in the last chunk."""
    groups = [[piece] for part in _parts(answer) for piece in _pieces(part)] or [[]]
    chunks = [_chunk(asked, answer, group, ends=False) for group in groups[:-1]]
    chunks.append(_chunk(asked, answer, groups[-1], ends=True))
    return b"".join(b"data: " + encode(chunk) + b"\r\n\r\n" for chunk in chunks)


def failed(failure: Failure) -> Reply:
    status, name = EXHAUSTED if failure.retry_s else STATUS[failure.kind]
    message, details = failure.message, list[Json]()
    if failure.kind == "overflow":
        message = (
            f"The input token count ({failure.sent}) exceeds the maximum number of tokens allowed ({failure.window})."
        )
    if failure.kind == "key":
        details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"})
    if failure.retry_s is not None:
        delay = f"{failure.retry_s:g}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    error: dict[str, Json] = {"code": status, "message": message, "status": name}
    return Reply(status, encode({"error": error | ({"details": details} if details else {})}))


def described(model: str, window: int) -> Json:
    return {"name": f"models/{model}", "inputTokenLimit": window}


def _parts(answer: Answer) -> list[Json]:
    """Give the parts of an answer; the last one of a whole answer is signed."""
    parts: list[Json] = [{"text": answer.text}] if answer.text else []
    if answer.ends != "done":
        return parts
    last: dict[str, Json] = {"text": ""}
    if answer.tool:
        last = {"functionCall": {"id": f"call-{answer.number}", "name": answer.tool, "args": answer.arguments}}
    return [*parts, last | {"thoughtSignature": sign(last)}]


def _chunk(asked: Asked, answer: Answer, parts: list[Json], *, ends: bool) -> Json:
    usage: dict[str, Json] = {"promptTokenCount": answer.used.input}
    if answer.used.cached:
        usage["cachedContentTokenCount"] = answer.used.cached
    if answer.ends == "refused":
        return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": usage}
    candidate: dict[str, Json] = {"index": 0, "content": {"parts": parts, "role": "model"}}
    if ends:
        candidate["finishReason"] = FINISHED[answer.ends]
        usage |= {
            "candidatesTokenCount": answer.output_tokens - THOUGHT_TOKENS,
            "thoughtsTokenCount": THOUGHT_TOKENS,
        }
    return {"candidates": [candidate], "modelVersion": asked.model, "usageMetadata": usage}


def _pieces(part: Json) -> list[Json]:
    match part:
        case {"text": str(text), **rest} if text and not rest:
            return [{"text": piece} for piece in pieces(text)]
        case _:
            return [part]
