"""The page about a session is one file that loads nothing and lets nothing of the session become markup."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from tests.lab.report.session import POLICY, Made, session
from workhand.core.events import NoticeGiven, PrefixBroken, SummaryRejected, ToolReturned, Usage, UserSaid
from workhand.core.log import Log
from workhand.lab.report import markup
from workhand.lab.report.account import Report, report
from workhand.lab.report.blocks import Block
from workhand.lab.report.headlines import headlines
from workhand.lab.report.page import handle, page

HOSTILE = "</td></table><script>alert(1)</script><img src=x onerror=alert(2)>\"'&<!--\u202etxt\u2066\x1b[2J\x00\ufeff"
VOID = {"meta", "input", "br"}


class Parsed(HTMLParser):
    """The elements of a page, with the text of styles and scripts."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag = self.elements[-1][0] if self.elements else ""
        (self.inline if tag in ("script", "style") and data.strip() else []).append((tag, data))
        self.words.append(data)


@pytest.fixture(scope="module")
def long() -> Report:
    return report(session(300, broken_at=40))


@pytest.fixture(scope="module")
def hostile() -> Log:
    made = Made(replace(POLICY, model=HOSTILE))
    made.note(UserSaid(HOSTILE + "x" * 1_000_000))
    made.note(NoticeGiven(HOSTILE))
    for tool in ("shell_run", HOSTILE):
        call = made.ask(tool, {"command": HOSTILE + "y" * 100_000}, HOSTILE)
        made.back(call, HOSTILE * 400, ok=tool == HOSTILE)
    made.note(PrefixBroken(1, 2, HOSTILE))
    made.note(SummaryRejected((HOSTILE,), Usage(10, 0, 10, 1), HOSTILE))
    made.ask("file_read", {"path": ".workhand/results/" + HOSTILE})
    return made.log


def test_a_page_of_300_calls_is_below_300_kilobytes(long: Report) -> None:
    assert len(page(long, "3fa9").encode()) < 300_000


def test_equal_logs_give_equal_pages(long: Report) -> None:
    assert page(long, "3fa9") == page(report(session(300, broken_at=40)), "3fa9")


def test_a_page_may_load_nothing_and_run_only_what_it_holds(long: Report) -> None:
    parsed = Parsed(page(long, "3fa9"))
    (policy,) = [
        each["content"] for tag, each in parsed.elements if each.get("http-equiv") == "Content-Security-Policy"
    ]
    digests = {tag: set[str]() for tag in ("style", "script")}
    for tag, content in parsed.inline:
        digests[tag].add(f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'")
    stated = dict(part.strip().split(" ", 1) for part in (policy or "").split(";"))
    assert {name: set(value.split()) for name, value in stated.items()} == {
        "default-src": {"'none'"},
        "style-src": digests["style"],
        "script-src": digests["script"],
        "base-uri": {"'none'"},
        "form-action": {"'none'"},
    }


def test_a_page_names_no_address_and_no_style_or_handler_in_an_attribute(long: Report) -> None:
    parsed = Parsed(page(long, "3fa9"))
    names = {name for _, attributes in parsed.elements for name in attributes}
    assert {name for name in names if name.startswith("on") or name in ("style", "src", "action")} == set()
    links = {each["href"] or "" for _, each in parsed.elements if "href" in each}
    assert {link[0] for link in links} == {"#"}


def test_every_link_leads_to_a_call_that_is_there(long: Report) -> None:
    parsed = Parsed(page(long, "3fa9"))
    ids = {each["id"] for _, each in parsed.elements if "id" in each}
    links = {(each["href"] or "")[1:] for tag, each in parsed.elements if tag == "a"}
    assert links - ids == set()
    assert len([id for id in ids if re.fullmatch(r"c\d+", id or "")]) == 300


def test_without_its_script_a_page_has_every_call_every_block_and_every_figure(long: Report) -> None:
    without = re.sub(r"<script>.*?</script>", "", page(long, "3fa9"), flags=re.DOTALL)
    assert without.count("<tr id=c") == 300
    body = without.split('<table id="blocks"')[1].split("</table>")[0]
    assert body.count("<tr><td>") == len(long.blocks)
    for each in headlines(long):
        assert markup.text(each.figure) in without
        assert markup.text(each.how, 1_000) in without


def test_nothing_that_a_session_says_becomes_markup(hostile: Log) -> None:
    content = page(report(hostile), HOSTILE)
    parsed = Parsed(content)
    tags = [tag for tag, _ in parsed.elements]
    assert (tags.count("script"), tags.count("img"), tags.count("style")) == (1, 0, 2)
    assert [each for _, each in parsed.elements if any(name.startswith("on") for name in each)] == []
    assert any("<script>alert(1)</script>" in words for words in parsed.words)
    assert re.findall("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff]", content) == []
    assert len(content.encode()) < 60_000


def test_a_handle_is_safe_to_type() -> None:
    block = Block("preview", 10, 1, 2, position=7, call="c5")
    assert [handle(each) for each in (block, replace(block, call="c5; rm -rf ~"), replace(block, kind="user"))] == [
        *("c5", "7", ""),
    ]


def test_a_break_is_loud_and_a_clean_session_is_not() -> None:
    loud, calm = (Parsed(page(report(session(60, broken_at=at)), "3fa9")) for at in (40, 0))
    assert [sum("loud" in (each.get("class") or "") for _, each in parsed.elements) for parsed in (loud, calm)] == [
        2,
        0,
    ]


def test_a_session_without_calls_has_a_page(hostile: Log) -> None:
    assert "not called yet" in page(report(hostile.upto(2)), "3fa9")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#x27;"),
        ("\x1b[31m\x00\n", "␛[31m␀␊"),
        ("\u202eevil\u2069\u200b", "\ufffdevil\ufffd\ufffd"),
        ("\ud800\uffff", "\ufffd\ufffd"),
        ("x" * 500, "x" * 399 + "…"),
        ("žluťoučký 漢字 🙂", "žluťoučký 漢字 🙂"),
    ],
)
def test_a_text_is_escaped_for_markup(said: str, shown: str) -> None:
    assert markup.text(said) == shown


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (markup.tokens(999), "999"),
        (markup.tokens(999.6), "1k"),
        (markup.tokens(26_000), "26k"),
        (markup.tokens(26_049), "26k"),
        (markup.tokens(123_456), "123k"),
        (markup.tokens(999_999), "1M"),
        (markup.tokens(27_400_000), "27.4M"),
        (markup.share(0, 0), "0 %"),
        (markup.share(1, 100_000), "< 0.1 %"),
        (markup.share(99_999, 100_000), "> 99.9 %"),
        (markup.share(3, 2), "150.0 %"),
        (markup.size(721_600), "721.6 kB"),
        (markup.pause(900), "15 min"),
    ],
)
def test_numbers_are_short_and_never_round_to_what_they_are_not(written: str, shown: str) -> None:
    assert written == shown


def test_a_result_that_came_after_the_last_request_hides_nothing() -> None:
    log = session(5)
    assert isinstance(log.events[-1], ToolReturned)
    assert report(log).totals.hidden_bytes == report(log.upto(len(log.entries) - 1)).totals.hidden_bytes
