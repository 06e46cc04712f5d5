"""What is in ``golden/v1.whd``: one event of every kind that log format 1 began with.

The file is never written again: it stands for the logs that people have.
"""

from __future__ import annotations

from workhand.core.canonical import digest
from workhand.core.events import (
    Attachment,
    Event,
    Forked,
    LimitHit,
    LimitsChanged,
    ModelAnswered,
    ModelFailed,
    ModelRetried,
    NoticeGiven,
    Observation,
    Paused,
    Phase,
    Plan,
    PlanChanged,
    ResultsCompacted,
    Resumed,
    Rewound,
    SandboxOpened,
    SessionEnded,
    SessionStarted,
    ToolCall,
    ToolReturned,
    ToolStarted,
    Usage,
    UserSaid,
)
from workhand.core.policy import Limits, Policy, ToolSpec, Window

SESSION = "golden"
TITLE = "Ein Gruß, 世界"
AT = 1_800_000_000.25
BLOB = b"line of output\n" * 300
WORKSPACE = (("notes/hello.txt", "grüße\n".encode(), 0o644), ("run.sh", b"#!/bin/sh\nexit 0\n", 0o755))

EVENTS: tuple[Event, ...] = (
    SessionStarted(
        Policy(
            model="scripted:demo",
            system_prompt="You do what is asked.\n",
            tools=(ToolSpec("file_read", "Read a file.", '{"type":"object"}', "pure"),),
            window=Window(32_000, 16_000, 12_000),
            limits=Limits(steps=10, tokens=100_000, cost_usd=1.5, seconds=60.0),
            variation_seed="seed",
        ),
        format=1,
    ),
    Forked("parent", 1),
    UserSaid('Say "hello" to 世界 \U0001f30d\u2028\x00', (Attachment("uploads/a.pdf", 12),)),
    NoticeGiven("The file was saved."),
    ModelAnswered(
        text="I read it.",
        calls=(ToolCall("c1", "file_read", '{"path":"notes/hello.txt"}'),),
        usage=Usage(100, 50, 25, 10, 5, 0.001),
        model="demo-1",
        prompt_bytes=4_096,
        prompt_digest="0" * 64,
        first_token_s=0.5,
        duration_s=1.25,
        dropped_calls=1,
        opaque='{"signature":"x"}',
    ),
    ModelRetried("429", 1, 0.5),
    ModelFailed("ModelUnavailable", "The server is down."),
    SandboxOpened("bubblewrap", "namespace", "rlimits"),
    ToolStarted("c1"),
    ToolReturned("c1", Observation("line of output\n…", "notes/out.txt", True, digest(BLOB), "notes/out.txt"), "ran"),
    PlanChanged(Plan("Greet", (Phase("Think"), Phase("Greet", 3)), 1)),
    ResultsCompacted(("c1",)),
    LimitsChanged(Limits(None, None, None, None)),
    LimitHit("steps", 10.0, 10.0),
    Paused(),
    Resumed(),
    Rewound(14),
    SessionEnded("answered", "Done."),
)
