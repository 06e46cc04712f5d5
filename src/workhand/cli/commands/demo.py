"""``workhand demo``: a guided tour on the embedded model.

Everything in it is real: the loop, the sandbox, the log, the masks, a model that
decodes on this CPU, and the counts that its cache reports.  One thing is staged,
and the tour says so: at each step the tour allows one tool only, because a model
of 135 million parameters cannot choose.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from workhand.cli.settings import Settings, load
from workhand.core import canonical
from workhand.core.events import ModelAnswered, ResultsCompacted, ToolReturned, UserSaid
from workhand.core.log import Log
from workhand.core.mask import Mask
from workhand.core.policy import Limits, Policy, Window
from workhand.core.ports import Model, Sandbox, Watch
from workhand.core.prompt import Prompt

if TYPE_CHECKING:
    from workhand.cli.display.view import View
    from workhand.lab.reuse import Reuse
    from workhand.store.memory import MemoryStore
    from workhand.tools.folder import Folder

TASK = "Read notes.txt, then write good morning to hello.txt"
STEPS = ("plan_update", "file_read", "file_write", "plan_update", "message_result")
NOTES = "".join(f"{i:>2}. What the model reads at every step is designed, and cheap.\n" for i in range(1, 25))
MEASURED_PROMPTS = 4  # of the session's, to keep the tour under a minute
TRIGGER_TOKENS = 1_000  # so low that this short session compacts once

INTRODUCTION = """\
Workhand, a guided tour. A model of 135 million parameters runs on this CPU: it is a toy, and no agent.
Its prompt holds a worked example of this very task, and the tour allows one tool at each step; the model
fills in the call under a grammar. Everything else is what a real session has: the loop, the sandbox, the
log, the masks, the plan recited, a compaction. For a real agent give it a capable model: `workhand models`.
"""


@click.command("demo")
@click.option("--json", "as_json", is_flag=True, help="Events one a line, and the figures as the last line.")
@click.option("--yes", is_flag=True, help="Download the embedded model (93 MB, once) without asking.")
def demo_command(as_json: bool, yes: bool) -> None:
    """Show what Workhand does, on a small model in this process, in about a minute.

    A short session in a real sandbox, then the figures: how many tokens the model's cache reused, and what a
    timestamp in front, or tools removed instead of masked, would have cost.
    """
    from workhand.cli.commands.work import have_local_model

    settings = load()
    have_local_model(settings, yes=yes)
    sys.exit(anyio.run(_demo, settings, as_json))


@dataclass
class Guided:
    """Narrow each mask to the tool whose turn it is, and remember what was asked."""

    model: Model
    asked: list[tuple[Prompt, Mask]] = field(default_factory=list)

    async def answer(self, prompt: Prompt, mask: Mask, *, session: str, watch: Watch) -> ModelAnswered:
        step = STEPS[min(len(self.asked), len(STEPS) - 1)]
        narrowed = Mask("specified", (step,)) if mask.allows(step) else mask
        answer = await self.model.answer(prompt, narrowed, session=session, watch=watch)
        self.asked.append((prompt, narrowed))
        return answer


@dataclass(frozen=True, slots=True)
class Tour:
    """What the tour has shown."""

    log: Log
    masks: tuple[Mask, ...]
    restored_bytes_equal: bool


async def _demo(settings: Settings, as_json: bool) -> int:
    from workhand.cli.display.view import open_view
    from workhand.cli.session import wiring

    view = open_view(Log(), as_json=as_json)
    if not as_json:
        click.echo(INTRODUCTION)
    async with wiring.make_model(settings, "local") as model:
        tour = await _tour(model, view)
        if not as_json:
            _tell(tour)
        measured = await _measure(model, tour, as_json)
    _report(tour, measured, as_json)
    return 0


async def _measure(model: Model, tour: Tour, as_json: bool) -> dict[str, Reuse]:
    """Send the session's first prompts again in three shapes, each in a session of its own."""
    from workhand.cli.session import wiring
    from workhand.lab import reuse

    asked = list(zip(reuse.requests(tour.log), tour.masks, strict=True))[:MEASURED_PROMPTS]
    shapes = {
        "append_only": reuse.as_sent,
        "timestamp_in_front": reuse.timestamp_in_front,
        "tools_removed": reuse.tools_removed,
    }
    if not as_json:
        click.echo(f"What the cache is worth: the first {len(asked)} prompts again, each row in a fresh session.\n")
        click.echo(f"  {'tokens':<22}{'processed':>10}{'reused':>10}{'share':>9}{'first token, median':>22}")
    measured: dict[str, Reuse] = {}
    for name, shape in shapes.items():
        row = measured[name] = await reuse.measure(model, asked, shape, session=f"demo-{wiring.new_id()}")
        if not as_json:
            counts = f"{row.processed:>10,}{row.reused:>10,}{row.hit:>9.1%}"
            click.echo(f"  {name.replace('_', ' '):<22}{counts}{f'{row.ttft_ms_p50:,.0f} ms':>22}")
    return measured


async def _tour(model: Model, view: View) -> Tour:
    """Run one session to its end, and restore what it compacted."""
    from workhand.cli.session import wiring
    from workhand.runtime.wake import Runtime
    from workhand.sandbox.probe import open_sandbox
    from workhand.sandbox.spec import MachineSpec
    from workhand.store.memory import MemoryStore
    from workhand.tools.toolbox import SandboxToolbox

    store, session, guided = MemoryStore(), f"demo-{wiring.new_id()}", Guided(model)
    policy = _policy()
    with tempfile.TemporaryDirectory(prefix="workhand-demo-") as place, view:
        workspace, folder = _furnished(Path(place))

        async def machine() -> Sandbox:
            return await open_sandbox(
                "bubblewrap", MachineSpec(session=session, workspace=workspace, owned=True, kept=folder.directory)
            )

        async def deliver(path: str, content: bytes) -> None:
            view.say(f"delivered: {path}, {len(content)} bytes: {content.decode(errors='replace')!r}")

        toolbox = SandboxToolbox(policy, machine, deliver, folder)
        try:
            await wiring.start(store, session, policy, UserSaid(TASK))
            for entry in await store.read(session):
                view(entry)
            runtime = Runtime(store, store, guided, toolbox, wiring.SystemClock(), view)
            log = await runtime.wake(session, owner=wiring.this_process())
        finally:
            await toolbox.aclose()
        restored = await _restores(store, log, folder)
    return Tour(log, tuple(mask for _, mask in guided.asked), restored)


def _furnished(place: Path) -> tuple[Path, Folder]:
    """Make a workspace with the notes in it, and the folder of what is kept."""
    from workhand.tools.folder import Folder

    workspace, folder = place / "workspace", Folder(place / "kept")
    workspace.mkdir()
    folder.make()
    (workspace / "notes.txt").write_text(NOTES)
    return workspace, folder


def _policy() -> Policy:
    from workhand.agents import executor

    chosen = executor.policy("local", seed="demo", window_tokens=8_192, limits=Limits(steps=12), prompt="demo")
    window = Window(chosen.window.hard, chosen.window.pre_rot, TRIGGER_TOKENS)
    rules = replace(chosen.rules, summaries=False)  # a model of this size cannot write one
    return replace(chosen, window=window, rules=rules, keep_full_results=1, recite_after_calls=2, answer_tokens_max=400)


async def _restores(store: MemoryStore, log: Log, folder: Folder) -> bool:
    """Say whether what was compacted comes back byte for byte: from the log's original and from the file."""
    compacted = {id for event in log.events if isinstance(event, ResultsCompacted) for id in event.call_ids}
    results = [event for event in log.events if isinstance(event, ToolReturned) and event.call_id in compacted]
    kept = [(event.observation.blob, event.observation.path) for event in results]
    digests = await folder.digests(tuple(path for _, path in kept if path))
    pairs = [(await store.get(blob), digests.get(path)) for blob, path in kept if blob and path]
    return bool(pairs) and all(
        canonical.digest(original) == digest and original in NOTES.encode() for original, digest in pairs
    )


def _tell(tour: Tour) -> None:
    """Show what the compaction did to the prompt."""
    compacted = [event for event in tour.log.events if isinstance(event, ResultsCompacted)]
    for event in tour.log.events:
        if isinstance(event, ToolReturned) and compacted and event.call_id in compacted[0].call_ids:
            seen = event.observation
            equal = "equal" if tour.restored_bytes_equal else "NOT EQUAL"
            click.echo(
                f"\nCompacted: {len(seen.full.encode()):,} bytes became {len(seen.compact.encode())}: {seen.compact!r}"
            )
            click.echo(f"The original from the log, the file in the workspace and the part of notes.txt: {equal}.\n")


def _report(tour: Tour, measured: dict[str, Reuse], as_json: bool) -> None:
    from workhand.lab.reuse import total

    answers = [event for event in tour.log.events if isinstance(event, ModelAnswered)]
    valid = sum(
        bool(answer.calls) and mask.allows(answer.calls[0].tool)
        for answer, mask in zip(answers, tour.masks, strict=True)
    )
    session = total(answers)
    if as_json:
        rows: dict[str, object] = {
            name: {"processed": row.processed, "reused": row.reused, "hit": row.hit, "ttft_ms_p50": row.ttft_ms_p50}
            for name, row in measured.items()
        }
        rows["masked"] = {
            "calls": len(answers),
            "valid": valid,
            "processed": session.processed,
            "reused": session.reused,
            "hit": session.hit,
        }
        click.echo(canonical.encode({"demo": {**rows, "restored_bytes_equal": tour.restored_bytes_equal}}).decode())
        return
    click.echo(f"\nIn the session itself the mask changed at every step: {valid} of {len(answers)} calls valid,")
    click.echo(f"{session.hit:.1%} of the tokens reused, compaction and recital included; the tool list never moved.")
    click.echo("Token counts are the model's own and do not depend on load; times do.")
