"""Sessions made from a seed, so that everything in the lab runs, and can be repeated anywhere, without recordings.

A session is drawn from the figures of its kind (``kinds.py``): every size from
the quantiles of recorded sessions, its text as content of the kind that a tool
gives (``content.py``).  What matters to a policy is real: an identifier that an
argument needs was taken out of the result it is said to come from, often from its
middle, and stands in no earlier argument.

Every session has chance of its own, seeded by its number, so a longer series
begins with the shorter one.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from workhand.errors import ConfigError
from workhand.lab.synthetic.content import Content, Naming, content, name, phrase, pick
from workhand.lab.synthetic.kinds import FIGURES, MIXED, PAUSES, TOOLS, Figures, Kind, PlainKind, Quantiles, Tool
from workhand.lab.trace import Answer, Call, Part, Returned, Said, Trace

SESSIONS_MAX = 10_000
PARALLEL_MAX = 20
LONG_BYTES = 300  # arguments from here on carry a text
EPOCH_S = 1_767_225_600.0  # when every session starts


def generate(seed: int, *, sessions: int, kind: Kind) -> tuple[Trace, ...]:
    """Make sessions of one kind; the same arguments give the same bytes in every process and Python version."""
    if not 0 < sessions <= SESSIONS_MAX:
        raise ConfigError(f"{sessions!r} sessions cannot be generated: ask for 1 to {SESSIONS_MAX}.")
    if kind != "mixed" and kind not in FIGURES:
        raise ConfigError(f"There is no kind of session {kind!r}: choose one of {', '.join((*FIGURES, 'mixed'))}.")
    return tuple(_trace(seed, number, kind) for number in range(sessions))


def draw(chance: Random, quantiles: Quantiles) -> int:
    """Draw a value whose distribution has these quantiles."""
    share = chance.random()
    for (low_share, low), (high_share, high) in pairwise(quantiles):
        if share <= high_share:
            return round(low * math.pow(high / low, (share - low_share) / (high_share - low_share)))
    return quantiles[-1][1]


def _trace(seed: int, number: int, kind: Kind) -> Trace:
    chance = Random(f"{seed}/{kind}/{number}")  # a text is hashed by SHA-512, whatever the hash seed
    drawn = _drawn(chance) if kind == "mixed" else kind
    parts = _Session(chance, FIGURES[drawn], TOOLS[drawn]).parts
    tools = tuple(dict.fromkeys(tool.name for tool in TOOLS[drawn]))
    return Trace(f"{kind}-{seed}-{number:04d}", f"generated-{drawn}", tuple(parts), tools=tools)


def _drawn(chance: Random) -> PlainKind:
    left = chance.random() * sum(weight for _, weight in MIXED)
    for kind, weight in MIXED:
        left -= weight
        if left < 0:
            return kind
    return MIXED[-1][0]


@dataclass(frozen=True, slots=True)
class _Done:
    """A call that was made, and what it brought."""

    tool: Tool
    arguments: str
    brought: Content
    ok: bool


class _Session:
    """The parts of one session, in the order in which they come to be."""

    def __init__(self, chance: Random, figures: Figures, tools: tuple[Tool, ...]) -> None:
        self.parts: list[Part] = []
        self._chance = chance
        self._figures = figures
        self._tools = tools
        self._done: list[list[_Done]] = []  # by calling answer
        self._used: set[str] = set()  # identifiers that stand in an argument
        self._count = 0
        self._at = EPOCH_S
        self._ask()
        calls = draw(chance, figures.calls)
        median = next(value for share, value in figures.calls if share == 0.5)
        self._parallel = min(0.9, figures.parallel * (calls / median) ** 2)
        while self._count < calls:
            if self._happens(figures.speaking):
                self.parts.append(Answer(self._thought(draw(chance, figures.text_bytes)), at=self._passed()))
            else:
                self._call(min(calls - self._count, self._width()))
        self.parts.append(Answer(self._thought(draw(chance, figures.text_bytes)), at=self._passed()))

    def _ask(self) -> None:
        if self._figures.system_bytes:
            self.parts.append(Said("system", self._prose(self._around(self._figures.system_bytes))))
        self.parts.append(Said("user", self._prose(self._around(self._figures.task_bytes))))

    def _call(self, width: int) -> None:
        """Add an answer with calls, and their results."""
        done = [self._again() or self._fresh() for _ in range(width)]
        silent = self._happens(self._figures.silent)
        spoken = 0 if silent else draw(self._chance, self._figures.text_bytes)
        text, in_text = "", self._figures.in_text
        if in_text:
            text = "\n".join(f"```\n{each.tool.name} {each.arguments}\n```" for each in done)
            spoken = max(20, spoken - len(text))
        if spoken:
            text = f"{self._thought(spoken)}\n{text}" if text else self._thought(spoken)
        ids = [f"g{self._count + index}" for index in range(width)]
        calls = (Call(id, each.tool.name, each.arguments, in_text) for id, each in zip(ids, done, strict=True))
        self.parts.append(Answer(text, tuple(calls), at=self._passed()))
        at = round(self._at + 0.1 + 2 * self._chance.random(), 1)
        self.parts.extend(Returned(id, each.brought.text, each.ok, at) for id, each in zip(ids, done, strict=True))
        self._done.append(done)
        self._count += width

    def _again(self) -> _Done | None:
        """Repeat a call of the last few answers, perhaps with another result."""
        if not self._done or not self._happens(self._figures.repeated_calls):
            return None
        past = pick(self._chance, self._done[-6:])
        done = pick(self._chance, past)
        return done if self._happens(self._figures.same_results) else self._returned(done.tool, done.arguments)

    def _fresh(self) -> _Done:
        size = draw(self._chance, self._figures.argument_bytes)
        needed = self._needed() if self._happens(self._figures.needed) else None
        naming = needed[0] if needed else pick(self._chance, self._tools).takes
        tool = self._tool(naming, writes=size >= LONG_BYTES)
        named = needed[1] if needed else name(self._chance, tool.takes)
        self._used.add(named)
        arguments = {tool.key: tool.shape.format(named)}
        room = size - len(json.dumps(arguments))
        if tool.writes and room > 0:
            arguments["content"] = content(self._chance, tool.writes, room).text
        elif room > len(tool.wording) + 10:
            arguments[tool.wording] = phrase(self._chance, room - len(tool.wording) - 8)
        return self._returned(tool, json.dumps(arguments, ensure_ascii=False))

    def _returned(self, tool: Tool, arguments: str) -> _Done:
        ok = not self._happens(self._figures.errors)
        size = draw(self._chance, self._figures.result_bytes)
        return _Done(tool, arguments, content(self._chance, tool.form if ok else "failure", size), ok)

    def _needed(self) -> tuple[Naming, str] | None:
        """Give an identifier that only earlier results hold, from as long ago as the figures say."""
        if not self._done:
            return None
        back = int(math.log(1 - self._chance.random()) / math.log(1 - 1 / self._figures.needed_age))
        newest = len(self._done) - 1 - back % len(self._done)
        for done in reversed(self._done[: newest + 1]):
            brought = pick(self._chance, done).brought
            if (found := self._inside(brought.names)) and found not in self._used and self._takes(brought.naming):
                return brought.naming, found
        return None

    def _inside(self, names: tuple[str, ...]) -> str:
        """Pick a name out of the middle of a result, or near one of its ends."""
        edge = len(names) // 10
        if not edge:
            return pick(self._chance, names) if names else ""
        if self._happens(self._figures.middle):
            return pick(self._chance, names[edge:-edge])
        return pick(self._chance, names[:edge] + names[-edge:])

    def _tool(self, naming: Naming, *, writes: bool) -> Tool:
        """Pick a tool that takes an identifier, with a long text or without, as far as there is one."""
        taking = [tool for tool in self._tools if tool.takes == naming]
        return pick(self._chance, [tool for tool in taking if (tool.writes is not None) == writes] or taking)

    def _takes(self, naming: Naming) -> bool:
        return any(tool.takes == naming for tool in self._tools)

    def _width(self) -> int:
        """Say how many calls the next answer makes."""
        width = 1
        if self._happens(self._parallel):
            width, more = 2, 1 - 1 / (self._figures.parallel_calls - 1)
            while width < PARALLEL_MAX and self._happens(more):
                width += 1
        return width

    def _passed(self) -> float:
        """Let time pass, seldom more than a cache lives, and give the time."""
        if self._happens(PAUSES):
            self._at += 360 * math.pow(10, self._chance.random())
        self._at = round(self._at + 3 * math.pow(13, self._chance.random()), 1)
        return self._at

    def _prose(self, size_bytes: int) -> str:
        return content(self._chance, "prose", size_bytes).text

    def _thought(self, size_bytes: int) -> str:
        return content(self._chance, "thought", size_bytes).text

    def _around(self, size_bytes: int) -> int:
        return round(size_bytes * math.pow(4, self._chance.random() - 0.5))

    def _happens(self, share: float) -> bool:
        return self._chance.random() < share
