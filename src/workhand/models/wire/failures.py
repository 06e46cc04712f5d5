"""What an error response of any provider means: who has to react.

Providers agree on the status codes, and say with a code of their own, or in words,
what the status leaves open: that the prompt was too long, that money has run out.
"""

from __future__ import annotations

import json
import re
from typing import Any

from workhand.errors import ConfigError, ContextOverflow, ModelRefused, ModelUnavailable, WorkhandError
from workhand.models.wire.dialect import Server

REASON_CHARS_MAX = 400
KEY_CHARS_MIN = 8  # a shorter one is a placeholder, and may be part of any word
_RETRIED = (408, 409, 425, 429)
_OVERFLOW = re.compile(
    r"context.?(length|window|size)|prompt is too long|too many (input )?tokens|input token count", re.IGNORECASE
)
_OVERFLOW_KINDS = {"context_length_exceeded", "exceed_context_size_error", "request_too_large"}
_REFUSED_KINDS = {"insufficient_quota", "content_filter", "content_policy_violation", "billing_error"}
_KEY_KINDS = {"API_KEY_INVALID", "authentication_error", "permission_error"}
_SENT = re.compile(
    r"(?:resulted in|requested|request \(|you sent|too long:|token count \(|you requested about) ?(\d+)", re.IGNORECASE
)
_WINDOW = re.compile(
    r"(?:maximum context length is|context size \(|context window of|tokens >|tokens allowed \() ?(\d+)", re.IGNORECASE
)
_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def failure(status: int, body: bytes, server: Server, *, retry_after_s: float | None = None) -> WorkhandError:
    """Turn an error response into the exception that says who has to react."""
    error = _error(body)
    reason = " ".join(str(error.get("message") or body.decode(errors="replace")).split())
    if len(server.api_key) >= KEY_CHARS_MIN:
        reason = reason.replace(server.api_key, "***")
    kinds = {str(error.get(key) or "") for key in ("code", "type", "status")} | set(_reasons(error))
    if kinds & _OVERFLOW_KINDS or (status in (400, 413, 422) and _OVERFLOW.search(reason)):
        return _overflow(error, reason)
    shown = f"{reason[:REASON_CHARS_MAX]!r} (status {status})"
    if kinds & _REFUSED_KINDS:
        return ModelRefused(f"The server at {server.base_url!r} declined: {shown}.")
    if status in (401, 403) or kinds & _KEY_KINDS:
        return ConfigError(f"The server at {server.base_url!r} does not accept the key: {shown}; check `api_key`.")
    if status == 404:
        return ConfigError(
            f"The server at {server.base_url!r} does not know the model {server.model!r} or the path: "
            f"{shown}; check `base_url` and the model's name."
        )
    if status in _RETRIED or status >= 500:
        wait_s = _retry_delay_s(error) if retry_after_s is None else retry_after_s
        return ModelUnavailable(f"The server at {server.base_url!r} failed: {shown}.", retry_after_s=wait_s)
    return ModelRefused(f"The server at {server.base_url!r} refused the request: {shown}.")


def inside(event: dict[str, Any], server: Server) -> WorkhandError:
    """Turn an error that arrives in a stream into its exception; without a status it is the server's fault."""
    match event:
        case {"error": {"code": int(status)}} if 400 <= status < 600:
            pass
        case {"error": {"type": "invalid_request_error" | "request_too_large"}}:
            status = 400
        case _:
            status = 500
    return failure(status, json.dumps(event).encode(), server)


def declined(server: Server, reason: str) -> ModelRefused:
    """Say that the model declined to answer."""
    why = f": {reason[:REASON_CHARS_MAX]!r}" if reason else " (content filter)"
    return ModelRefused(f"The model {server.model!r} declined to answer{why}; say it differently.")


def _error(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    match content:
        case [{"error": {} as error}] | {"error": {} as error}:  # Gemini wraps an unstreamed error in a list
            return dict(error)
        case {"error": str(message)} | {"detail": str(message)} | {"message": str(message)}:
            return {"message": message}
        case _:
            return {}


def _reasons(error: dict[str, Any]) -> list[str]:
    """Give the reasons in Google's ``details``."""
    return [str(each["reason"]) for each in _details(error) if "reason" in each]


def _retry_delay_s(error: dict[str, Any]) -> float | None:
    """Give the delay in Google's ``details``, which is in no header: ``"37s"``, with up to nine decimals."""
    delays = (_DELAY.fullmatch(str(each.get("retryDelay"))) for each in _details(error))
    return next((float(delay[1]) for delay in delays if delay), None)


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    details = error.get("details")
    return [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []


def _overflow(error: dict[str, Any], reason: str) -> ContextOverflow:
    window, sent = _WINDOW.search(reason), _SENT.search(reason)
    return ContextOverflow(
        error.get("n_prompt_tokens") or (int(sent[1]) if sent else None),
        error.get("n_ctx") or (int(window[1]) if window else None),
    )
