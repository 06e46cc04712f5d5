"""Everything that can go wrong and that no model can repair.

One class per *reaction*, not per cause: who catches it, and what do they do?
Fields carry the facts; the sentence is for people and says what to do next.
What a model can repair is never raised: it becomes an ``Observation`` with
``ok=False`` and stays in the context.

    WorkhandError
      ConfigError            the person who set this up: names the value and the remedy
      ModelError
        ModelUnavailable     try again later (429, 5xx, timeouts); may carry retry_after_s
        ModelRefused         the provider declined; never retried
        ContextOverflow      our budget was wrong: reduce and ask again
        MalformedAnswer      ask again; counted
      SandboxError
        SandboxUnavailable   no sandbox of the wanted kind can be opened on this machine
        SandboxLost          it is gone, the log is not: open another and tell the model
      SearchUnavailable      no answer that can be used: the model is told, and may search otherwise
      StoreError             the database is damaged, or of a format this version cannot read
        Conflict             another writer was first: drop everything and wake again
        SessionUnknown       no session has that id
      ServerFailed           an MCP server or a database gave no usable answer: tell the model, which may ask again
      Denied                 a person or a rule said no
      HistoryEdited          an agent's messages do not begin with those on record: begin a new context
      LimitReached           steps, tokens, money or time are used up
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "Conflict",
    "ContextOverflow",
    "Denied",
    "HistoryEdited",
    "LimitReached",
    "MalformedAnswer",
    "ModelError",
    "ModelRefused",
    "ModelUnavailable",
    "SandboxError",
    "SandboxLost",
    "SandboxUnavailable",
    "SearchUnavailable",
    "ServerFailed",
    "SessionUnknown",
    "StoreError",
    "WorkhandError",
]


class WorkhandError(Exception):
    """The root of the tree: everything this package raises on purpose."""


class ConfigError(WorkhandError):
    """A setting, an option or an argument cannot be used as it is."""


class ModelError(WorkhandError):
    """A model did not give an answer that can be used."""


class ModelUnavailable(ModelError):
    """The server could not answer; the same request may succeed later."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ModelRefused(ModelError):
    """The provider declined this request; sending it again will not help."""


class ContextOverflow(ModelError):
    """The prompt is longer than the model's context window."""

    def __init__(self, prompt_tokens: int | None, window_tokens: int | None) -> None:
        super().__init__(
            f"The prompt of {prompt_tokens or 'too many'} tokens does not fit into the "
            f"model's context window of {window_tokens or 'unknown'} tokens."
        )
        self.prompt_tokens = prompt_tokens
        self.window_tokens = window_tokens


class MalformedAnswer(ModelError):
    """The server answered with something that is not an answer."""


class SandboxError(WorkhandError):
    """The machine of a session failed; never shown as a command's output."""


class SandboxUnavailable(SandboxError):
    """A sandbox of the wanted kind cannot be opened here."""


class SandboxLost(SandboxError):
    """An open sandbox stopped answering or is gone."""


class SearchUnavailable(WorkhandError):
    """A search gave no answer that can be used."""


class StoreError(WorkhandError):
    """The session store cannot be read or written."""


class Conflict(StoreError):
    """Another writer appended to, or claimed, the session first."""


class SessionUnknown(StoreError):
    """No session has the given id."""

    def __init__(self, session: str) -> None:
        super().__init__(f"There is no session {session!r}; `workhand sessions` lists those there are.")
        self.session = session


class ServerFailed(WorkhandError):
    """An MCP server or a database could not be started or reached, ended, was too slow, or refused a request."""


class Denied(WorkhandError):
    """A person or a rule refused an action."""


class HistoryEdited(WorkhandError):
    """The messages given do not begin with those that a context has on record."""


class LimitReached(WorkhandError):
    """A limit of the session is used up."""

    def __init__(self, limit: str, used: float, allowed: float) -> None:
        super().__init__(f"The limit on {limit} is reached: {used:,.10g} of {allowed:,.10g}.")
        self.limit = limit
        self.used = used
        self.allowed = allowed
