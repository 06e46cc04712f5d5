"""The context report of a session as one page that needs nothing but itself.

It loads nothing and may load nothing: its policy forbids all sources but its own
styles and script, by their digests.  The script only filters and looks up what is in
the tables already, so without it everything is still there.  The session's texts are
never in the script, and escaped wherever they stand.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from importlib.resources import files

from workhand.lab.report import colours, markup
from workhand.lab.report.account import Call, Report
from workhand.lab.report.blocks import KINDS, MEANING, Block
from workhand.lab.report.findings import Reduction
from workhand.lab.report.headlines import headlines
from workhand.lab.report.markup import counted, share, size
from workhand.lab.report.timeline import svg

RESULTS = ("result", "preview", "repeat", "compacted")
DID_CHARS = 72
SAFE = re.compile(r"[\w-]{1,64}")


def page(report: Report, session: str) -> str:
    """Write the page about a session, of which ``session`` is the id."""
    style, script = (
        (files("workhand.lab.report") / "page.css").read_text(),
        (files("workhand.lab.report") / "page.js").read_text(),
    )
    style = colours.variables(":root") + style
    policy = (
        f"default-src 'none'; style-src {_hash(style)} {_hash(colours.CHART)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">',
        f"<title>Context of session {markup.text(session)}</title><style>{style}</style></head>",
        f'<body data-session="{markup.text(session)}">',
        *_head(report, session),
        *_chart(report),
        *_calls(report),
        *_changes(report),
        *_work(report),
        *_blocks(report),
        *_explained(report),
        f"<script>{script}</script></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _hash(content: str) -> str:
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


def _head(report: Report, session: str) -> Iterator[str]:
    task = next((block.text for block in report.blocks if block.kind == "user"), "")
    models = ", ".join(report.models) or "not called yet"
    yield f"<header><h1>Context of session <code>{markup.text(session)}</code></h1>"
    yield f'<p class="task"><q>{markup.text(task)}</q></p>' if task else ""
    yield f'<p class="faint">{counted(len(report.calls), "call")} of the model {markup.text(models)}</p></header>'
    yield '<section class="cards" aria-label="Figures">'
    for each in headlines(report):
        loud = ' class="loud"' if each.loud else ""
        yield (
            f'<div{loud} title="{markup.text(each.how, 1_000)}"><b>{markup.text(each.figure)}</b> '
            f"<span>{markup.text(each.label)}</span><small>{markup.text(each.note)}</small></div>"
        )
    yield "</section>"


def _chart(report: Report) -> Iterator[str]:
    yield '<section id="chart" aria-label="Timeline"><figure>' + svg(report)
    yield (
        '<figcaption><output id="pointed">Blocks of each request by kind, with what was cut and when; '
        "how its input was billed; what it cost.</output></figcaption></figure>"
    )
    yield "</section>"


def _calls(report: Report) -> Iterator[str]:
    marks = _marks(report)
    yield '<section><h2>Calls</h2><div id="call" aria-live="polite" hidden></div>'
    yield (
        '<p id="filters" hidden><label>Find <input id="find" type="search" placeholder="tool, word, reason"></label> '
        '<label>Only <select id="only"><option value="">all calls</option><option value="miss">less cached than planned'
        '</option><option value="cut">after a reduction</option><option value="again">re-reads</option>'
        '<option value="failed">failures</option></select></label> <span id="found" aria-live="polite"></span></p>'
    )
    columns = ("call", "what it did", "context", "cached", "written", "new", "output", "≈ planned", "cost", "remark")
    yield _table("calls", columns, (0, 2, 3, 4, 5, 6, 7, 8))
    for call in report.calls:
        kinds = " ".join(marks.get(call.number, ()))
        of = f' data-is="{kinds}"' if kinds else ""
        yield (
            f"<tr id=c{call.number}{of}><td><a href=#c{call.number}>{call.number}</a>"
            f"<td>{markup.text(call.did, DID_CHARS)}<td>{call.context_tokens:,}"
            f"<td>{share(call.cached_tokens, call.input_tokens)}"
            f"<td>{call.written_tokens:,}<td>{call.new_tokens:,}<td>{call.output_tokens:,}<td>{call.planned_tokens:,}"
            f"<td>{call.cost:,.0f}<td>{_remark(call, kinds)}"
        )
    yield "</tbody></table></div></section>"


def _marks(report: Report) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for mark, numbers in (
        ("miss", [call.number for call in report.calls if call.missed_tokens]),
        ("broken", [broken.call for broken in report.breaks]),
        ("cut", [reduction.call for reduction in report.reductions]),
        ("again", [reread.call for reread in report.rereads]),
        ("failed", [failure.call for failure in report.failures]),
    ):
        for number in dict.fromkeys(numbers):
            found.setdefault(number, []).append(mark)
    return found


def _remark(call: Call, marks: str) -> str:
    said = []
    if call.missed_tokens:
        said.append(f"≈ {call.missed_tokens:,} planned tokens not served: {markup.text(call.because)}")
    elif call.reason:
        said.append(markup.text(call.because))
    said += [word for mark, word in (("again", "re-read"), ("failed", "failed")) if mark in marks.split()]
    return "; ".join(said)


def _changes(report: Report) -> Iterator[str]:
    """List what was cut, what was asked to be summarised, and what the cache did not serve."""
    yield "<section><h2>Reductions</h2>"
    columns: tuple[str, ...] = ("before call", "what", "why", "took", "tokens removed", "sent anew", "costing")
    rows = [_reduction(each, report) for each in report.reductions]
    yield _filled("reductions", columns, (0, 4, 5, 6), rows, "Nothing was reduced.")
    if report.summaries:
        yield "<h3>Summaries asked for</h3>"
        columns = ("before call", "used", "input", "cached", "output", "cost", "refused because")
        rows = [
            f"<td>{_link(asked.call, report)}<td>{'yes' if asked.accepted else 'no'}<td>{asked.usage.input_tokens:,}"
            f"<td>{asked.usage.cached_tokens:,}<td>{asked.usage.output_tokens:,}<td>{asked.cost:,.0f}"
            f"<td>{markup.text(' '.join(asked.reasons))}"
            for asked in report.summaries
        ]
        yield _filled("summaries", columns, (0, 2, 3, 4, 5), rows, "")
    yield "</section><section><h2>Less cached than planned</h2>"
    rows = [
        f"<td>{_link(call.number, report)}<td>≈ {call.planned_tokens:,}<td>{call.cached_tokens:,}"
        f"<td>≈ {call.missed_tokens:,}<td>{markup.text(call.because)}"
        for call in report.calls
        if call.missed_tokens
    ]
    columns = ("call", "planned", "cached", "not served", "because")
    yield _filled("misses", columns, (0, 1, 2, 3), rows, "Every call was served what was planned.")
    for broken in report.breaks:
        yield (
            f'<p class="loud">Unplanned break before call {_link(broken.call, report)}: piece {broken.piece}, byte '
            f"{broken.byte}: {markup.text(broken.reason)}</p>"
        )
    yield "</section>"
    if report.switches:
        rows = [
            f"<td>{_link(each.call, report)}<td>{markup.text(each.model)}<td>{each.purpose}"
            f"<td>{markup.text(each.reason)}"
            for each in report.switches
        ]
        yield "<section><h2>Other models</h2>"
        yield _filled("switches", ("before call", "model", "to", "because"), (0,), rows, "")
        yield "</section>"


def _reduction(each: Reduction, report: Report) -> str:
    took = f"{counted(each.results, 'result')}, {counted(each.arguments, 'argument')}"
    took = took if each.what == "compaction" else f"history; the whole is in {each.log_path}"
    return (
        f"<td>{_link(each.call, report)}<td>{each.what}<td>{markup.text(each.reason)}<td>{markup.text(took)}"
        f"<td>≈ {each.removed_tokens:,}<td>≈ {each.rewritten_tokens:,}<td>≈ {each.cost:,.0f}"
    )


def _work(report: Report) -> Iterator[str]:
    """List what was read again, what of the previews was opened, and what failed."""
    yield "<section><h2>Re-reads</h2>"
    rows = [
        f"<td>{_link(each.call, report)}<td><code>{markup.text(each.path)}</code><td>{each.form}"
        f"<td>{size(each.brought_bytes)}"
        for each in report.rereads
    ]
    columns: tuple[str, ...] = ("call", "read again", "which was shown as", "brought")
    yield _filled("rereads", columns, (0, 3), rows, "Nothing was read again.")
    yield "<h3>Previews</h3>"
    rows = [
        f"<td>{markup.text(each.tool)}<td>{each.shown:,}<td>{each.opened:,}<td>{share(each.opened, each.shown)}"
        for each in report.previews
    ]
    columns = ("tool", "previews", "opened", "share")
    yield _filled("previews", columns, (1, 2, 3), rows, "Every result entered in full.")
    yield "</section><section><h2>Failures</h2>"
    rows = [
        f"<td>{_link(each.call, report)}<td>{markup.text(each.tool)}<td>{each.how}"
        f"<td>{'never' if each.steps is None else 'after ' + counted(each.steps, 'call')}"
        for each in report.failures
    ]
    yield _filled("failures", ("call", "tool", "how it ended", "mended"), (0,), rows, "Nothing failed.")
    yield "</section>"


def _blocks(report: Report) -> Iterator[str]:
    yield (
        f"<section><h2>Blocks</h2><details><summary>All {counted(len(report.blocks), 'block')}, with the calls that "
        "read them</summary><p>A result's original is given, byte for byte, by "
        "<code>workhand restore SESSION HANDLE</code>.</p>"
    )
    yield _table("blocks", ("kind", "bytes", "from call", "to call", "entry", "handle", "what"), (1, 2, 3, 4))
    for block in report.blocks:
        failed = "" if block.ok else "failed: "
        yield (
            f"<tr><td>{block.kind}<td>{block.bytes}<td>{block.first}<td>{block.last}"
            f"<td>{block.position if block.position >= 0 else ''}<td>{handle(block)}"
            f"<td>{failed}{markup.text(block.text, DID_CHARS)}"
        )
    yield "</tbody></table></div></details></section>"


def handle(block: Block) -> str:
    """Give what ``workhand restore`` takes for a block: the call's id where that is safe to type, or the position."""
    if block.kind not in RESULTS:
        return ""
    return block.call if SAFE.fullmatch(block.call) else str(block.position)


def _explained(report: Report) -> Iterator[str]:
    yield '<section><h2>How the figures are computed</h2><dl class="kinds">'
    seen = {block.kind for block in report.blocks}
    for kind in KINDS:
        if kind in seen:
            yield f'<dt><i class="wh-{kind}"></i>{kind}<dd>{MEANING[kind]}'
    yield "</dl><dl>"
    for each in headlines(report):
        yield f"<dt>{markup.text(f'{each.figure} {each.label}')}<dd>{markup.text(each.how, 1_000)}"
    yield "<dt>tokens of a block<dd>The call's own count, spread over its blocks by their bytes: an estimate."
    yield "<dt>≈<dd>An estimate; everything without this sign is counted, by the provider or in bytes."
    yield "</dl></section>"


def _table(id: str, columns: Iterable[str], numbers: Iterable[int]) -> str:
    """Begin a table; which of its columns are numbers is said by classes, so that cells need none."""
    right = " ".join(f"n{index + 1}" for index in numbers)
    heads = "".join(f"<th scope=col>{name}" for name in columns)
    return f'<div class="scroll"><table id="{id}" class="{right}"><thead><tr>{heads}</thead><tbody>'


def _filled(id: str, columns: Iterable[str], numbers: Iterable[int], rows: Iterable[str], otherwise: str) -> str:
    """Write a table, or a sentence where it would be empty."""
    written = [f"<tr>{row}" for row in rows]
    if not written:
        return f'<p class="faint">{otherwise}</p>'
    return "\n".join((_table(id, columns, numbers), *written, "</tbody></table></div>"))


def _link(number: int, report: Report) -> str:
    """Link to a call's row; what was recorded after the last call has none."""
    return f"<a href=#c{number}>{number}</a>" if number <= len(report.calls) else "end"
