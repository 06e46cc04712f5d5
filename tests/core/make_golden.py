"""Make the golden files of the log format: ``python -m tests.core.make_golden``.

``golden/v2.jsonl`` is a log with an event of every kind, an entry a line, and
``golden/v2.prompt`` the prompt that it renders to, a piece a line.  They stand
for the logs that people have: when a test says that they differ, the code is
wrong, not the file.  They are made anew only for a new format, under its name;
those of an older format stay as they are.
"""

from __future__ import annotations

from pathlib import Path

from workhand.core.canonical import digest, encode
from workhand.core.consent.rules import Answer, Rule
from workhand.core.events import (
    ActForeseen,
    ApprovalAsked,
    ApprovalGiven,
    Attachment,
    Event,
    FilesNotSaved,
    FilesSaved,
    Forked,
    GivenBack,
    Goal,
    GuardChanged,
    HistorySummarized,
    HostContacted,
    LimitHit,
    LimitsChanged,
    ModelAnswered,
    ModelFailed,
    ModelRetried,
    ModelSwitched,
    NoticeGiven,
    Observation,
    Paused,
    Phase,
    Plan,
    PlanChanged,
    Pointer,
    PrefixBroken,
    PricesChanged,
    Published,
    ResultsCompacted,
    Resumed,
    Rewound,
    SandboxOpened,
    SessionEnded,
    SessionStarted,
    Summary,
    SummaryRejected,
    TakenOver,
    ToolCall,
    ToolReturned,
    ToolStarted,
    Usage,
    UserSaid,
)
from workhand.core.log import Entry, Log
from workhand.core.policy import (
    Approvals,
    Choice,
    Guard,
    Limits,
    Network,
    Policy,
    Prices,
    ReopenRate,
    Route,
    Rules,
    ToolSpec,
    Window,
)
from workhand.core.render import render

GOLDEN = Path(__file__).with_name("golden")

TOOLS = (
    ToolSpec("plan_update", "State the plan.", '{"type":"object"}', "pure"),
    ToolSpec("message_info", "Tell the user.", '{"type":"object"}', "idempotent"),
    ToolSpec("shell_run", "Run a command: « bash ».", '{"properties":{"command":{"type":"string"}},"type":"object"}'),
)
POLICY = Policy(
    model="openai:some-model",
    system_prompt='You are "the agent".\nÜnïcode: \N{GRINNING FACE} \N{LINE SEPARATOR} \N{NULL}.',
    tools=TOOLS,
    window=Window(8_000, 7_000, 6_000),
    limits=Limits(steps=50, tokens=1_000_000, cost_usd=2.5, seconds=600.5),
    variation_seed="golden",
    answer_tokens_max=512,
    keep_full_results=2,
    observation_tokens_max=900,
    error_tokens_max=1_500,
    recite_after_calls=1,
    fruitless_answers_max=4,
    prices=Prices(0.1, 1.0, 4.0, 600.0, 200_000, 2.0),
    rules=Rules(theta=0.5),
    reopen_rates=(ReopenRate("shell_run", 0.25),),
    recite_errors=True,
    routes=(
        Route("act", (Choice("openai:some-model"), Choice("google:other", Window(9_000, 8_000, 7_000), Prices(0.2)))),
        Route("summarise", (Choice("local"),)),
    ),
)
PLAN = Plan("a golden report", (Phase("look", 2), Phase("write")), 1)
PLAN_ARGUMENTS = '{"done":1,"goal":"a golden report","phases":["look","write"]}'


def _ran(id: str, tool: str, arguments: str, full: str, *, ok: bool = True) -> tuple[Event, ...]:
    path = f".workhand/results/{id}-{tool}.txt"
    observation = Observation(full, f"{tool}: all in {path}", ok, digest(full.encode()), path)
    usage = Usage(1_000, 800, 200, 30, 7, 0.0125)
    calls = (ToolCall(id, tool, arguments),)
    answer = ModelAnswered("", calls, usage, "some-model-1", 3_900, digest(id.encode()), 0.25, 1.5, 2, "signed=")
    return answer, ToolStarted(id), ToolReturned(id, observation)


EVENTS: tuple[Event, ...] = (
    SessionStarted(POLICY),
    UserSaid("Write the report.\n\N{GRINNING FACE}", (Attachment("in/data.csv", 12_345),)),
    ModelRetried("503 from the server", 1, 0.5),
    ModelAnswered("", (ToolCall("c3", "plan_update", PLAN_ARGUMENTS),), Usage(900), "some-model-1", 3_600, ""),
    PlanChanged(PLAN),
    ToolReturned("c3", Observation("The plan is noted. Phase 2 of 2 is current.", "The plan is noted.")),
    *_ran("c6", "shell_run", '{"command":"cat in/data.csv"}', "a,b\n1,2\n" * 40),
    SandboxOpened("bubblewrap", "namespace", "cgroup v2"),
    *_ran("c10", "shell_run", '{"command":"maké"}', "exit 2\nmake: *** No targets.", ok=False),
    *_ran("c13", "shell_run", '{"command":"cat notes"}', "notes\n" * 60),
    ResultsCompacted(("c6",)),
    ModelAnswered("Let me think.", (), Usage(1_100, cost_usd=0.0), "some-model-1", 4_000, ""),
    NoticeGiven("Answer with exactly one tool call."),
    ModelFailed("ModelUnavailable", "The server did not answer within 60 s."),
    Paused(),
    Resumed(),
    Forked("s-parent", 22),
    ModelAnswered(
        "", (ToolCall("c23", "shell_run", '{"command":"rm -r /"}'),), Usage(1_200), "some-model-1", 4_100, ""
    ),
    ToolStarted("c23"),
    SandboxOpened("unsafe", "none", "none"),
    ToolReturned("c23", Observation("Interrupted.", "Interrupted.", ok=False), how="unknown"),
    Rewound(23),
    ModelAnswered("", (ToolCall("c28", "no_tool", "{}"),), Usage(1_200), "some-model-1", 4_100, ""),
    ToolReturned("c28", Observation("There is no tool 'no_tool'.", "no_tool", ok=False), how="refused"),
    SandboxOpened("unsafe", "none", "none"),
    LimitHit("cost_usd", 2.5, 2.5),
    LimitsChanged(Limits(steps=60, cost_usd=5.0)),
    UserSaid("Go on."),
    *_ran("c34", "message_info", '{"text":"I will."}', "shown to the user"),
    PricesChanged(Prices(0.05, 1.25, 5.0)),
    SummaryRejected(("The goal 'a golden report' is missing.",), Usage(2_000, 1_900, 100, 50), "some-model-1"),
    HistorySummarized(
        34,
        Summary(
            goals=(Goal("a golden report", 2), Goal("coffee", done=True)),
            constraints=("in English",),
            decisions=("one table",),
            state="The data are read.",
            files=(Pointer("out/report.md", "the draft"),),
            open_items=("write the end",),
            pointers=(Pointer("https://example.org/a?b", "the source"),),
            failed=("make: there are no targets",),
        ),
        ".workhand/history/38.md",
        Usage(2_000, 1_900, 100, 300, cost_usd=0.01),
        "some-model-1",
    ),
    PrefixBroken(3, 17, "the piece was rendered differently than in the request before"),
    *_ran("c41", "shell_run", '{"command":"cat big"}', "a long line\n" * 90),
    *_ran("c44", "shell_run", '{"command":"%s"}' % ("echo x; " * 90), "x\n" * 90),
    *_ran("c47", "shell_run", '{"command":"false"}', "exit 1", ok=False),
    ResultsCompacted(("c41", "c44"), arguments=("c44",), why="rent"),
    ModelFailed("ModelUnavailable", "The server is overloaded.", purpose="summarise"),
    ModelSwitched("act", "google:other", "The server is overloaded."),
    ModelAnswered(
        "Here.", (), Usage(900, 0, 900, 9, written_long_tokens=900), "google:other", 4_000, "", missed="model_changed"
    ),
    SessionEnded("cancelled", "by the user"),
    GuardChanged(
        Guard(
            "kernel",
            Network("allow", ("example.com", "127.0.0.1:8000")),
            Approvals(
                (Rule("push", "ask", commands=("git push",), irreversible=True, why="It publishes."),),
                "deny",
                answers=(Answer("remote", "ssh", "always"),),
            ),
        )
    ),
    HostContacted("example.com", 443, "refused", "first-contact", "It is new.", "GET /", 2, 310, 0, asks=True),
    ApprovalAsked("h40:example.com", "GET / at example.com", "first-contact", "example.com", "It is new."),
    ApprovalGiven("h40:example.com", "session", "first-contact", "example.com"),
    TakenOver(),
    GivenBack("$ ls\na.txt", 12.5),
    FilesSaved("0123456789abcdef0123456789abcdef", 2, 4_096, ("'pipe' is a pipe and is not kept.",)),
    FilesNotSaved("The disk is full."),
    ActForeseen("c31", "pay", "click button 'Pay now' at shop.example", "shop.example", named=True),
    Published(8000, "http://0123456789abcdef.localhost:40001/", "site"),
    TakenOver(where="browser"),
    GivenBack("", 31.0, where="browser"),
)
RECORD = tuple(Entry(position, 1_700_000_000.0 + position / 8, event) for position, event in enumerate(EVENTS))


def prompt_lines(record: tuple[Entry, ...]) -> bytes:
    """Give the prompt of a record: each piece, then what is not in the body, a line each."""
    log = Log.of(record)
    prompt = render(log, log.policy)
    rest = {"tail": prompt.tail, "breakpoints": prompt.breakpoints, "answer_tokens_max": prompt.answer_tokens_max}
    return b"".join(line + b"\n" for line in (*prompt.body, encode(rest)))


def main() -> None:
    from workhand.store.codec import encode_line

    GOLDEN.mkdir(exist_ok=True)
    (GOLDEN / "v2.jsonl").write_bytes(b"".join(encode_line(entry) + b"\n" for entry in RECORD))
    (GOLDEN / "v2.prompt").write_bytes(prompt_lines(RECORD))


if __name__ == "__main__":
    main()
