"""Models of other systems' context policies: what each of them sends, whole, and what all of them keep."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from workhand.core.policy import Prices
from workhand.errors import ConfigError
from workhand.lab.policies.contexts import Context
from workhand.lab.policies.rivals import NAMES, named
from workhand.lab.replay import Terms, replay
from workhand.lab.request import Billed, Block, Request
from workhand.lab.synthetic.generator import generate
from workhand.lab.texts import Texts
from workhand.lab.trace import Answer, Call, Part, Returned, Said, Trace

POLICIES = (
    "append-only",
    "workhand",
    "clear-3",
    "clear-3-2000",
    "moving-3",
    "oldest-half",
    "deepagents",
    "openhands",
    "codex",
    "langchain",
    "strands",
    "drop",
)
PRICES = Prices()
PREFIX = Block(-1, 1_000)
FILLER = re.compile(r"(\s(x|the))+$")
CALLED, BROUGHT = re.compile(r"CALLED (c\d+) "), re.compile(r"BROUGHT (c\d+) ")


def words(text: str) -> int:
    return len(text.split())


def begin(name: str, limit: int) -> tuple[Texts, Context]:
    """Make a context whose tokens are words; every block has 4 more."""
    texts = Texts(frozenset(), count=words)
    return texts, named(name, limit=limit, prices=PRICES)(texts, PREFIX)


def sent(name: str, parts: Iterable[Part], limit: int) -> list[str]:
    """Give what is sent before each answer: texts without their filler, a star behind what is marked."""
    texts, context = begin(name, limit)
    requests: list[Request] = []
    for part in parts:
        if isinstance(part, Answer):
            requests += context.requests(cold=False)
        context.take(part)
    labels = {block.key: FILLER.sub("", text).replace("\n", " ").strip() for text, block in texts.blocks.items()}
    labels[PREFIX.key] = "P"
    return [_line(request, labels) for request in requests]


def _line(request: Request, labels: dict[int, str]) -> str:
    assert (request.tail_tokens, request.output_tokens) in ((0, 0), (200, 1_500))
    marked = (f"{labels[block.key]}{'*' * (at in request.marks)}" for at, block in enumerate(request.blocks))
    return ("summarise: " if request.output_tokens else "") + " | ".join(marked)


def breaks(lines: Sequence[str]) -> list[str]:
    """Give the lines that do not go on from the one before."""
    bare = [line.replace("*", "") for line in lines]
    return [line for at, line in enumerate(lines) if at and not bare[at].startswith(f"{bare[at - 1]} | ")]


def turn(number: int, size: int, *, ok: bool = True) -> tuple[Answer, Returned]:
    """Give a call of 5 tokens and a result of ``size``."""
    call = f"c{number}"
    return Answer("", (Call(call, f"look{number}", ""),)), Returned(call, f"r{number}{' x' * (size - 5)}", ok)


def session(*sizes: int, task: str = "task") -> list[Part]:
    turns: list[Part] = [part for number, size in enumerate(sizes, 1) for part in turn(number, size)]
    return [Said("system", "rules"), Said("user", task), *turns, Answer("done")]


def test_clearing_takes_all_but_the_newest_results_for_good() -> None:
    assert sent("clear-2", session(45, 45, 45, 45), limit=130) == [
        "P | rules* | task*",
        "P | rules* | task | look1 | r1*",
        "P | rules* | task | look1 | r1 | look2 | r2*",
        "P | rules* | task | look1 | [cleared] | look2 | r2 | look3 | r3*",
        "P | rules* | task | look1 | [cleared] | look2 | [cleared] | look3 | r3 | look4 | r4*",
    ]


def test_clearing_waits_until_it_would_win_enough() -> None:
    assert sent("clear-2-50", session(45, 45, 45, 45), limit=130)[3:] == [
        "P | rules* | task | look1 | r1 | look2 | r2 | look3 | r3*",
        "P | rules* | task | look1 | [cleared] | look2 | [cleared] | look3 | r3 | look4 | r4*",
    ]


def test_a_moving_mask_forgets_what_it_cleared_and_breaks_at_every_call() -> None:
    assert sent("moving-1", session(45, 45, 45, 5), limit=100) == [
        "P | rules* | task*",
        "P | rules* | task | look1 | r1*",
        "P | rules* | task | look1 | [cleared] | look2 | r2*",
        "P | rules* | task | look1 | [cleared] | look2 | [cleared] | look3 | r3*",
        "P | rules* | task | look1 | [cleared] | look2 | [cleared] | look3 | [cleared] | look4 | r4*",
    ]


def test_the_oldest_half_becomes_pointers_and_the_newest_three_never_do() -> None:
    pointers = [f"[compacted: the whole result is in the file results/c{number}.txt]" for number in (1, 2, 3)]
    assert sent("oldest-half", session(45, 45, 45, 45, 45, 45), limit=250)[4:] == [
        "P | rules* | task | look1 | r1 | look2 | r2 | look3 | r3 | look4 | r4*",
        f"P | rules* | task | look1 | {pointers[0]} | look2 | {pointers[1]} | look3 | r3 | look4 | r4 | look5 | r5*",
        f"P | rules* | task | look1 | {pointers[0]} | look2 | {pointers[1]} | look3 | r3 | look4 | r4 | look5 | r5 | "
        "look6 | r6*",
    ]
    assert sent("oldest-half", session(45, 45, 45, 45, 45, 45), limit=190)[6] == (
        f"P | rules* | task | look1 | {pointers[0]} | look2 | {pointers[1]} | look3 | {pointers[2]} | "
        "look4 | r4 | look5 | r5 | look6 | r6*"
    )


def test_dropping_keeps_whole_turns_that_fit_into_half_of_the_limit() -> None:
    assert sent("drop", session(45, 45, 45, 145), limit=130) == [
        "P | rules* | task*",
        "P | rules* | task | look1 | r1*",
        "P | rules* | task | look1 | r1 | look2 | r2*",
        "P | rules* | look3 | r3*",
        "P | rules* | look4 | r4*",  # more than half, but a call keeps its result
    ]


def test_deepagents_summarises_in_a_prompt_of_its_own_and_names_the_file_that_has_the_whole() -> None:
    kept = "the whole is in conversation_history/session.md"
    assert sent("deepagents", session(1_400, 1_400, 150, 100), limit=3_200) == [
        "P | rules* | task*",
        "P | rules* | task | look1 | r1*",
        "summarise: task | look1 | r1",
        f"P | rules* | [summary 1] {kept} | look2 | r2*",
        f"summarise: [summary 1] {kept} | look2 | r2",
        f"P | rules* | [summary 2] {kept} | look3 | r3*",
        f"P | rules* | [summary 2] {kept} | look3 | r3 | look4 | r4*",
    ]


def test_deepagents_first_cuts_old_arguments_of_calls_that_write_files() -> None:
    long = json.dumps({"file_path": "notes", "content": "w" * 19 + " x" * 1_500})
    wrote = (Answer("", (Call("w1", "fs-write_file", long),)), Returned("w1", "written"))
    parts: list[Part] = [Said("user", "task"), *wrote, *turn(1, 1_600), *turn(2, 400), Answer("done")]
    cut = f'fs-write_file {{"file_path": "notes", "content": "{"w" * 19}  [cut]"}}'
    whole = f"fs-write_file {FILLER.sub('', long)}"
    assert sent("deepagents", parts, limit=4_000) == [
        "P* | task*",
        f"P* | task | {whole} | written*",
        f"P* | task | {whole} | written | look1 | r1*",
        f"P* | task | {cut} | written | look1 | r1 | look2 | r2*",
    ]


def test_what_deepagents_cut_from_arguments_is_in_no_file_when_the_rest_is_summarised() -> None:
    long = json.dumps({"content": "w" * 19 + " x" * 1_500})
    _, context = begin("deepagents", 4_000)
    for part in (Said("user", "task"), Answer("", (Call("w1", "write_file", long),)), Returned("w1", "written")):
        context.take(part)
    for part in (*turn(1, 1_600), *turn(2, 400)):
        context.take(part)
    (_,) = context.requests(cold=False)
    assert (context.removed.tokens, context.removed.restorable, context.removed.events) == (1_499, 0, 1)
    for part in (*turn(3, 1_600), *turn(4, 400)):
        context.take(part)
    asked, request = context.requests(cold=False)
    kept = 5 + 8 + 5 + 5 + 1_600 + 5 + 400 + 5 + 1_600  # the cut call has four words left
    assert sum(block.tokens for block in asked.blocks) == kept
    assert (context.removed.tokens, context.removed.restorable, context.removed.events) == (1_499 + kept, kept, 2)
    assert len(request.blocks) == 4  # the prefix, the summary, and one turn


def test_deepagents_shows_five_lines_of_either_end_of_a_very_large_result() -> None:
    lines = [f"line{number}" + "y" * 2_000 for number in range(60)]
    texts, context = begin("deepagents", 100_000)
    context.take(Answer("", (Call("c1", "look", ""), Call("c2", "fs-read_file", ""))))
    context.take(Returned("c1", "\n".join(lines)))
    context.take(Returned("c2", "\n".join(lines)))
    (request,) = context.requests(cold=False)
    preview, whole = (_text(texts, block) for block in request.blocks[-2:])
    ends = [(number, lines[number - 1][:1_000]) for number in (*range(1, 6), *range(56, 61))]
    numbered = [f"{number:6}\t{line}" for number, line in ends]
    assert preview.split("\n") == [
        "This result is too large. The whole is in large_tool_results/c1: read it in parts.",
        *numbered[:5],
        "... [50 lines left out] ...",
        *numbered[5:],
    ]
    assert whole == "\n".join(lines)  # what a tool for files reads is never put into another file
    assert context.points_to(Returned("c1", "")) and not context.points_to(Returned("c2", ""))


def test_openhands_keeps_the_first_events_and_the_newest_half_of_eighty() -> None:
    turns: list[Part] = [part for number in range(1, 42) for part in turn(number, 6)]
    lines = sent("openhands", [Said("user", "task"), *turns, Answer("done")], limit=100_000)
    old = " | ".join(f"look{number} | r{number}" for number in range(2, 24))
    new = " | ".join(f"look{number} | r{number}" for number in range(24, 41))
    assert breaks(lines) == [
        f"summarise: {old}*",
        f"P* | task | look1 | r1 | [summary 1] | {new}*",
    ]


def test_openhands_comes_down_to_half_of_a_full_window_and_shows_its_summariser_little() -> None:
    long = "r3" + " z" * 5_000
    parts: list[Part] = [
        Said("user", "task"),
        *turn(1, 20),
        *turn(2, 20),
        turn(3, 20)[0],
        Returned("c3", long),
        *turn(4, 20),
    ]
    assert breaks(sent("openhands", [*parts, Answer("done")], limit=5_000)) == [
        f"summarise: look2 | r2 | look3 | {long[:500].strip()}*",
        "P* | task | look1 | r1 | [summary 1]*",
    ]


def test_openhands_marks_the_newest_message_that_is_not_the_models() -> None:
    parts: list[Part] = [Said("user", "task"), *turn(1, 6), Answer("thinking"), Answer("done")]
    assert sent("openhands", parts, limit=5_000)[-1] == "P* | task | look1 | r1* | thinking"


def test_codex_keeps_what_the_user_said_and_asks_behind_the_conversation() -> None:
    parts: list[Part] = [
        Said("user", "task"),
        *turn(1, 900),
        Said("user", "more"),
        *turn(2, 900),
        *turn(3, 10),
        Answer("done"),
    ]
    assert sent("codex", parts, limit=2_000) == [
        "P* | task*",
        "P* | task | look1 | r1 | more*",
        "summarise: P* | task | look1 | r1 | more | look2 | r2*",
        "P* | task | more | [summary 1]*",
        "P* | task | more | [summary 1] | look3 | r3*",
    ]


def test_codex_cuts_the_oldest_message_of_the_user_that_does_not_fit() -> None:
    task = "a" * 60_000 + "b" * 60_000
    parts: list[Part] = [Said("user", task), Said("user", "c" * 20_000), *turn(1, 2_000), Answer("done")]
    last = sent("codex", parts, limit=2_000)[-1]
    assert last == f"P* | {'a' * 30_000} [cut] {'b' * 30_000} | {'c' * 20_000} | [summary 1]*"


def test_langchain_keeps_twenty_messages_and_asks_no_model_when_the_user_has_been_silent_for_long() -> None:
    lines = sent("langchain", session(4_500, *[300] * 11)[1:], limit=7_500)
    new = " | ".join(f"look{number} | r{number}" for number in range(2, 12))
    assert breaks(lines) == [f"P* | [summary 1] too long to summarise | {new}*"]


def test_langchain_shows_its_summariser_what_follows_the_latest_message_of_the_user() -> None:
    turns: list[Part] = [part for number in range(3, 15) for part in turn(number, 500)]
    start: list[Part] = [Said("user", "task"), *turn(0, 3_000), *turn(1, 1_000), Said("user", "more"), *turn(2, 2_500)]
    lines = sent("langchain", [*start, *turns, Answer("done")], limit=11_500)
    new = " | ".join(f"look{number} | r{number}" for number in range(3, 13))
    assert breaks(lines) == ["summarise: more | look2 | r2", f"P* | [summary 1] | {new}*"]


def test_strands_previews_large_results_and_keeps_four_messages_without_any_mark() -> None:
    parts: list[Part] = [
        Said("user", "task"),
        *turn(1, 800),
        *turn(2, 800),
        *turn(3, 800),
        *turn(4, 800),
        Answer("done"),
    ]
    assert sent("strands", parts, limit=3_000) == [
        "P | task",
        "P | task | look1 | r1",
        "P | task | look1 | r1 | look2 | r2",
        "P | task | look1 | r1 | look2 | r2 | look3 | r3",
        "summarise: look1 | r1 | look2 | r2",
        "P | task | [summary 1] | look3 | r3 | look4 | r4",
    ]


def test_strands_shows_three_thousand_characters_of_a_success_and_all_of_a_failure() -> None:
    whole = "".join(f"{number:05} " for number in range(1_600))
    texts, context = begin("strands", 100_000)
    for part in (*turn(1, 5), Answer("", (Call("c2", "look", ""), Call("c3", "look", "")))):
        context.take(part)
    context.take(Returned("c2", whole))
    context.take(Returned("c3", whole, ok=False))
    (request,) = context.requests(cold=False)
    preview, failure = (_text(texts, block) for block in request.blocks[-2:])
    assert preview.split("\n\n") == [
        "[cut from about 2,400 tokens]",
        whole[:1_800],
        "[... 6,600 chars left out ...]",
        whole[-1_200:],
        "[stashed: c2]",
    ]
    assert failure == whole
    assert context.points_to(Returned("c2", "")) and not context.points_to(Returned("c3", ""))
    hidden = words(whole) - words(preview)
    assert (context.removed.tokens, context.removed.restorable) == (hidden, hidden)


@pytest.mark.parametrize("name", ["deepagents", "strands"])
def test_what_was_read_back_stays_as_it_is(name: str) -> None:
    texts, context = begin(name, 200_000)
    whole = "word " * 30_000
    context.take(Answer("", (Call("c1", "look", ""),)))
    context.take(Returned("c1", whole), whole=True)
    (request,) = context.requests(cold=False)
    assert _text(texts, request.blocks[-1]) == whole


def test_a_summary_of_strands_loses_the_references_of_the_previews_in_it() -> None:
    _, context = begin("strands", 6_000)
    context.take(Said("user", "task"))
    for part in (*turn(1, 2_000), *turn(2, 1_400), *turn(3, 1_400), *turn(4, 1_400)):
        context.take(part)
    assert context.points_to(Returned("c1", ""))
    context.requests(cold=False)
    assert not context.points_to(Returned("c1", ""))
    assert (context.removed.tokens, context.removed.restorable, context.removed.events) == (2_000 + 5 + 1_405, 0, 1)


def identified(trace: Trace) -> list[Part]:
    """Give a trace's parts with its id in every call and result, so that no two are the same block."""
    parts: list[Part] = []
    for part in trace.parts:
        if isinstance(part, Answer):
            calls = (Call(call.id, call.tool, f"CALLED {_id(call.id)} {call.arguments}") for call in part.calls)
            parts.append(replace(part, text="", calls=tuple(calls)))
        elif isinstance(part, Returned):
            parts.append(replace(part, text=f"BROUGHT {_id(part.call)} {part.text}"))
        else:
            parts.append(part)
    return parts


def _id(call: str) -> str:
    return call.replace("g", "c")


def requests_of(name: str, parts: Iterable[Part], limit: int) -> tuple[Texts, list[tuple[Request, int]]]:
    """Give every request with the number of reductions that there had been by then."""
    texts = Texts(frozenset(), count=lambda text: len(text) // 4)
    context = named(name, limit=limit, prices=PRICES)(texts, PREFIX)
    made: list[tuple[Request, int]] = []
    for part in parts:
        if isinstance(part, Answer):
            made += [(request, context.removed.events) for request in context.requests(cold=False)]
        context.take(part)
    return texts, made


LIMIT = 12_000
LARGE = 20_000
SESSIONS = [identified(trace) for trace in generate(3, sessions=3, kind="office")]
SESSIONS += [identified(trace) for trace in generate(4, sessions=2, kind="code")]


@pytest.mark.parametrize("name", POLICIES)
def test_no_call_is_ever_without_its_result(name: str) -> None:
    for parts in SESSIONS:
        texts, made = requests_of(name, parts, LIMIT)
        known = {block.key: text for text, block in texts.blocks.items()}
        for request, _ in made:
            if request.output_tokens and request.blocks[0] != PREFIX:
                continue  # what a summariser is shown apart is text
            shown = [known[block.key] for block in request.blocks[1:]]
            called = [match[1] for text in shown if (match := CALLED.search(text))]
            brought = [match[1] for text in shown if (match := BROUGHT.search(text))]
            forms = sum(text.startswith(("[cleared]", "[compacted")) for text in shown)
            assert len(called) == len(brought) + forms
            assert set(brought) <= set(called)


@pytest.mark.parametrize("name", POLICIES)
def test_between_its_own_reductions_a_policy_only_appends(name: str) -> None:
    reductions = 0
    for parts in SESSIONS:
        _, made = requests_of(name, parts, LIMIT)
        last: tuple[Block, ...] = ()
        before = 0
        for request, events in made:
            if request.output_tokens:
                continue
            if request.blocks[: len(last)] != last:
                assert events > before
            last, before = request.blocks, events
        reductions += before
    assert (reductions > 0) == (name != "append-only")


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_session_gives_the_same_requests(name: str) -> None:
    assert requests_of(name, SESSIONS[0], LIMIT)[1] == requests_of(name, SESSIONS[0], LIMIT)[1]


@pytest.mark.parametrize("name", ["workhand", "deepagents", "openhands", "codex", "strands", "drop"])
def test_what_summarises_or_drops_holds_the_window_unless_one_turn_fills_it(name: str) -> None:
    for parts in SESSIONS:
        small = [replace(part, text=part.text[:8_000]) if isinstance(part, Returned) else part for part in parts]
        _, made = requests_of(name, small, LARGE)
        sizes = [sum(block.tokens for block in request.blocks[1:]) for request, _ in made if not request.output_tokens]
        assert max(sizes) <= LARGE


@pytest.mark.parametrize("name", ["workhand", "oldest-half"])
def test_all_that_is_taken_out_can_be_fetched_by_what_is_shown(name: str) -> None:
    for parts in SESSIONS:
        context = named(name, limit=LIMIT, prices=PRICES)(Texts(frozenset()), PREFIX)
        for part in parts:
            if isinstance(part, Answer):
                context.requests(cold=False)
            context.take(part)
        assert context.removed.tokens == context.removed.restorable > 0


class Plain:
    """A cache that caches nothing."""

    def bill(self, request: Request) -> Billed:
        return Billed(0, 0, sum(block.tokens for block in request.blocks) + request.tail_tokens)


@pytest.mark.parametrize(
    ("name", "found"), [("append-only", (0, 0)), ("strands", (1, 1)), ("oldest-half", (1, 1)), ("clear-3", (1, 0))]
)
def test_a_replay_learns_whether_a_pointer_leads_to_what_an_action_needed(name: str, found: tuple[int, int]) -> None:
    middle = "word " * 2_000 + "key-4711 " + "word " * 2_000
    needing = Answer("", (Call("n", "open", '{"key": "key-4711"}'),))
    turns: list[Part] = [Answer("", (Call("c0", "look", ""),)), Returned("c0", middle)]
    turns += [part for number in (1, 2, 3) for part in turn(number, 300)]
    trace = Trace("t", "s", (Said("user", "task"), *turns, needing))
    terms = Terms(PRICES, 4_500, 100)
    account = replay(trace, named(name, limit=4_500, prices=PRICES), Plain(), terms)
    assert (account.rereads, account.needs_behind) == found


def test_a_name_that_is_none_is_refused_with_those_there_are() -> None:
    for name in ("clear-", "clear-1-2-3", "strands-3", "Workhand", "", "keep"):
        with pytest.raises(ConfigError, match=re.escape(f"{name!r}: choose one of {', '.join(NAMES)}.")):
            named(name, limit=1, prices=PRICES)


def _text(texts: Texts, block: Block) -> str:
    return next(text for text, known in texts.blocks.items() if known is block)
