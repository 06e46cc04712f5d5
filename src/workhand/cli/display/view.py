"""What a person, or a program, sees while a session runs.

Three views of the same stream: a live one for a terminal, plain lines for a
pipe, and one JSON object a line for programs.  A view only shows: it holds a
copy of the log to draw the meter from, and nothing depends on it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol, Self

from workhand.cli.display import words
from workhand.core import budget, canonical
from workhand.core.events import (
    Event,
    FilesSaved,
    ModelAnswered,
    PlanChanged,
    Resumed,
    SessionStarted,
    ToolReturned,
    ToolStarted,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.ports import Delta

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

OUTPUT_LINES = 6
METER_CHARS = 24
QUIET = (ToolStarted, SessionStarted, Resumed, FilesSaved)  # said by what follows, or of no interest


class View(Protocol):
    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def __call__(self, happened: Entry | Delta) -> None: ...

    def say(self, text: str) -> None:
        """Tell the person something that is not part of the session."""
        ...

    def rest(self) -> None:
        """Stop drawing while the person types."""
        ...


class JsonView:
    """One entry a line, in the format of the log; notes to the person go to stderr."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __call__(self, happened: Entry | Delta) -> None:
        if isinstance(happened, Entry):
            sys.stdout.write(entry_json(happened) + "\n")
            sys.stdout.flush()

    def say(self, text: str) -> None:
        sys.stderr.write(text + "\n")

    def rest(self) -> None:
        return None


class TerminalView:
    """Entries scroll by; below them the plan, the running action with its output, and the meter."""

    def __init__(self, log: Log, *, live: bool) -> None:
        from rich.console import Console

        self.console: Console = Console(highlight=False, soft_wrap=not live)
        self.log = log
        self.output = ""
        self.action = ""
        self._live: Live | None = None
        self._wants_live = live

    def __enter__(self) -> Self:
        if self._wants_live and self._live is None:
            from rich.live import Live

            self._live = Live(self._panel(), console=self.console, transient=True, refresh_per_second=8)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()

    def rest(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str) -> None:
        self.console.print(text, style="dim", markup=False)

    def __call__(self, happened: Entry | Delta) -> None:
        if self._wants_live and self._live is None:
            self.__enter__()
        if isinstance(happened, Delta):
            self.output = (self.output + words.clean(happened.text))[-4_000:]
        else:
            self.log = self.log.then(happened.event, happened.at)
            self._follow(happened.event)
            self._print(happened.event)
        if self._live is not None:
            self._live.update(self._panel())

    # -- drawing ----------------------------------------------------------------

    def _follow(self, event: Event) -> None:
        """Keep up with what is going on right now."""
        if isinstance(event, ModelAnswered) and event.calls:
            self.action, self.output = words.call_line(event.calls[0]), ""
        elif isinstance(event, ToolReturned):
            self.action, self.output = "", ""

    def _print(self, event: Event) -> None:
        from rich.text import Text

        if isinstance(event, QUIET):
            return
        if isinstance(event, ModelAnswered):
            self._print_answer(event)
        elif isinstance(event, ToolReturned):
            colour = "green" if event.observation.ok else "red"
            if not self._is_speech(event.call_id):
                self.console.print(Text(f"    {words.line(event)}", style=f"{colour} dim"))
        elif isinstance(event, UserSaid):
            self.console.print(Text(f"you ▸ {words.clean(event.text)}", style="bold"))
        elif isinstance(event, PlanChanged):
            self.console.print(Text(f"  plan ▸ {words.phase_line(event.plan)}", style="cyan"))
        else:
            self.console.print(Text(f"  {type(event).__name__} ▸ {words.line(event)}", style="dim"))

    def _print_answer(self, event: ModelAnswered) -> None:
        from rich.markdown import Markdown
        from rich.text import Text

        if event.text.strip():
            self.console.print(Text(f"  {words.clean(event.text.strip())}", style="italic dim"))
        for call in event.calls:
            if call.tool.startswith("message_"):
                self.console.print(Text("workhand ▸", style="bold magenta"))
                self.console.print(Markdown(words.argument(call, "text"), hyperlinks=False))
            elif call.tool != "plan_update":
                step = Text(f"{self.log.spent.steps:>3} ", style="dim")
                self.console.print(step + Text(words.call_line(call)))

    def _is_speech(self, call_id: str) -> bool:
        answer = self.log.latest(ModelAnswered)
        return bool(answer and answer.calls and answer.calls[0].tool.startswith(("message_", "plan_")))

    def _panel(self) -> RenderableType:
        from rich.console import Group
        from rich.padding import Padding
        from rich.text import Text

        rows: list[RenderableType] = []
        plan = self.log.latest(PlanChanged)
        if plan is not None:
            goal, *phases = words.plan_lines(plan.plan)
            rows.append(Text(words.short(goal), style="bold cyan"))
            rows.extend(Text(f"  {phase}", style="cyan" if phase.startswith("[>") else "dim") for phase in phases)
        if self.action:
            rows.append(Text(f"⋯ {self.action}", style="yellow"))
        tail = self.output.splitlines()[-OUTPUT_LINES:]
        rows.extend(Text(f"  {words.short(each)}", style="dim") for each in tail)
        rows.append(Text(meter(self.log), style="blue"))
        return Padding(Group(*rows), (1, 0, 0, 0))


def meter(log: Log) -> str:
    """Draw the context against its three thresholds, with cache and money."""
    if SessionStarted not in log.last:
        return ""
    policy, spent = log.policy, log.spent
    used, window = budget.context_tokens(log, policy), policy.window
    filled = min(METER_CHARS, round(METER_CHARS * used / window.hard))
    mark = min(METER_CHARS - 1, round(METER_CHARS * window.trigger / window.hard))
    bar = "".join("█" if i < filled else "┊" if i == mark else "░" for i in range(METER_CHARS))
    thresholds = (
        f"{words.tokens(used)} of trigger {words.tokens(window.trigger)}, pre-rot {words.tokens(window.pre_rot)}, "
        f"window {words.tokens(window.hard)}"
    )
    return (
        f"context {bar} {thresholds} · cached {spent.cached_share:.0%} · "
        f"{words.money(spent.cost_usd, spent.unpriced)} · step {spent.steps}"
    )


def entry_json(entry: Entry) -> str:
    """Give an entry as one line of canonical JSON: the format of ``--json`` and of exports."""
    return canonical.encode({"position": entry.position, "at": entry.at, "event": entry.event}).decode()


def open_view(log: Log, *, as_json: bool) -> View:
    """Choose the view that fits where the output goes."""
    return JsonView() if as_json else TerminalView(log, live=sys.stdout.isatty())
