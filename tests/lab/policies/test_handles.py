"""What Workhand's handles give back: looked up where they point, and compared with what came."""

from __future__ import annotations

from workhand.core.events import ModelAnswered, Observation, ToolCall, ToolReturned, Usage, UserSaid
from workhand.core.log import Entry
from workhand.core.policy import Prices
from workhand.lab.policies.contexts import Workhand
from workhand.lab.policies.handles import Handles
from workhand.lab.policies.rivals import named
from workhand.lab.request import Block
from workhand.lab.texts import Texts
from workhand.lab.trace import Answer, Call, Returned, Said

LONG = "\n".join(f"row {number} of the table" for number in range(2_000))


def workhand(limit: int) -> tuple[Texts, Workhand]:
    texts = Texts(frozenset())
    context = named("workhand", limit=limit, prices=Prices())(texts, Block(-1, 1_000))
    assert isinstance(context, Workhand)
    return texts, context


def test_a_path_gives_back_only_what_is_kept_there() -> None:
    handles = Handles()
    handles.result("c1", "all of it", ".workhand/results/c1-shell.txt")
    handles.result("c2", "never kept", None)
    assert handles.gives_result("[1 line left out; all 9 bytes are in .workhand/results/c1-shell.txt]", "c1")
    assert not handles.gives_result("all 9 bytes are in .workhand/results/c9-shell.txt", "c1")
    assert not handles.gives_result("all 9 bytes are in .workhand/results/c1-shell.txt", "c2")
    assert not handles.gives_result("all of it is gone", "c1")


def test_a_tool_may_have_a_name_with_signs_in_it() -> None:
    handles = Handles()
    handles.result("c1", "output", ".workhand/results/c1-./run.sh.txt")
    assert handles.gives_result("the same as c0; .workhand/results/c1-./run.sh.txt]", "c1")


def test_calls_are_given_back_as_the_model_wrote_them() -> None:
    handles = Handles()
    call = ToolCall("c1", "file_write", '{"content": "much"}')
    shown = '{"content": "[compacted: 4 bytes; as written: .workhand/calls/c1.json] mu…"}'
    assert not handles.give_back(shown, call.arguments)
    handles.calls([call])
    assert handles.give_back(shown, call.arguments)


def test_a_history_gives_back_what_was_said_called_and_returned_or_the_path_of_it() -> None:
    handles = Handles()
    path = ".workhand/results/c2-shell.txt"
    handles.result("c1", "short", None)
    handles.result("c2", "very long", path)
    calls = (ToolCall("c1", "shell", '{"a": 1}'), ToolCall("c2", "shell", "{}"))
    entries = [
        Entry(1, 0.0, UserSaid("do it")),
        Entry(2, 0.0, ModelAnswered("I shall", calls, Usage(), "m", 0, "")),
        Entry(3, 0.0, ToolReturned("c1", Observation("short", ""))),
        Entry(4, 0.0, ToolReturned("c2", Observation("very […]", "", path=path, form="preview"))),
    ]
    handles.history("whole.md", entries)
    handles.history("half.md", entries[:2])
    assert [handles.history_gives("whole.md", entry) for entry in entries] == [True, True, True, True]
    assert [handles.history_gives("half.md", entry) for entry in entries] == [True, True, False, False]


def test_a_preview_counts_as_taken_out_but_for_what_it_shows() -> None:
    texts, context = workhand(100_000)
    context.take(Said("user", "task"))
    context.take(Answer("", (Call("c1", "look", "{}"),)))
    context.take(Returned("c1", LONG))
    (request,) = context.requests(cold=False)
    hidden = texts.block(LONG).tokens - request.blocks[-1].tokens
    assert context.removed.restorable == context.removed.tokens
    assert 0 <= context.removed.tokens - hidden < 20  # the words around a result are none of it
    assert context.removed.events == 0


def test_what_a_summary_stands_for_counts_whole_and_is_in_the_history() -> None:
    texts, context = workhand(3_000)
    said = [f"thought {number} " + "and so on " * 300 for number in range(9)]
    context.take(Said("user", "task"))
    for text in said:
        context.requests(cold=False)
        context.take(Answer(text))
        context.take(Said("user", "go on"))
    (*_, request) = context.requests(cold=False)
    shown = {block.key for block in request.blocks}
    gone = sum(texts.block(text).tokens for text in said if texts.block(text).key not in shown)
    assert context.removed.events > 0
    assert gone <= context.removed.tokens == context.removed.restorable < gone + 200  # and the user's words


def test_what_the_user_says_is_shown_although_a_call_was_never_answered() -> None:
    texts, context = workhand(100_000)
    context.take(Said("user", "task"))
    context.take(Answer("", (Call("c1", "submit", "{}"),)))
    context.take(Said("user", "the next task"))
    (request,) = context.requests(cold=False)
    assert request.blocks[-1] == texts.block("the next task")
