"""What a provider is sent and what it bills, in tokens: the common coin of all policies and caches of the lab.

A policy turns a trace into requests; a cache simulator bills each of them.  Two
blocks are the same to a cache if they have the same key, so a policy that writes
one block differently must give it another key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from workhand.core.policy import Prices


class Block(NamedTuple):
    key: int  # equal for equal content, and for nothing else
    tokens: int


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a model: what it reads, where a cache may end, and how much it writes."""

    blocks: tuple[Block, ...]  # what the provider may cache, in wire order
    marks: tuple[int, ...] = ()  # a cache may end after blocks[i]; only for providers that ask for marks
    tail_tokens: int = 0  # read behind the blocks and never cached
    output_tokens: int = 0
    cold: bool = False  # the cache had expired since the request before


@dataclass(frozen=True, slots=True)
class Billed:
    """How a provider would count the input of one request."""

    cached: int  # read from the cache
    written: int  # written to it
    plain: int = 0  # neither

    @property
    def input(self) -> int:
        return self.cached + self.written + self.plain

    def cost(self, prices: Prices, output_tokens: int) -> float:
        """Give the price of the request in tokens of uncached input."""
        return prices.cost(cached=self.cached, written=self.written, fresh=self.plain, output=output_tokens)


class Cache(Protocol):
    """A provider's prompt cache, over the requests of one session in order."""

    def bill(self, request: Request) -> Billed: ...
