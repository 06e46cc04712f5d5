"""Several models behind one port: each prompt says which of them is to read it.

The session's log decides who that is (``workhand.core.routing``); here it is only
looked up.  A model is opened when it is first asked, so a fallback that is never
needed costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from workhand.core.events import ModelAnswered
from workhand.core.mask import Mask
from workhand.core.ports import Watch
from workhand.core.prompt import Prompt

if TYPE_CHECKING:
    from workhand.models.providers import OpenableModel


class Router:
    """A ``Model`` that asks the model named in the prompt; use it as an async context manager.

    ``build`` makes a model of its name; ``first`` is asked where a prompt names none.
    """

    def __init__(self, build: Callable[[str], OpenableModel], first: str) -> None:
        self._build = build
        self._first = first
        self._open: dict[str, OpenableModel] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.named(self._first)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        self._open.clear()
        await self._stack.aclose()

    async def named(self, name: str) -> OpenableModel:
        """Give a model by its name, opened.  Raises ``ConfigError`` for one that cannot be made."""
        if name not in self._open:
            self._open[name] = await self._stack.enter_async_context(self._build(name))
        return self._open[name]

    async def window(self) -> int | None:
        """Ask the first model for its context window, in tokens; ``None`` if it does not tell."""
        return await (await self.named(self._first)).window()

    async def answer(
        self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch, schema: str | None = None
    ) -> ModelAnswered:
        model = await self.named(prompt.model or self._first)
        return await model.answer(prompt, mask, session=session, watch=watch, schema=schema)
