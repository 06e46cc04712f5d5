"""What the model answers, step by step: a script, since no key and no network are to be needed.

The files that it writes lie in ``written/`` as they are, so that they can be read; ``{site}`` in them and in the
steps stands for the address of the site.  No step depends on a reference to a thing on a page, which another release
of the browser might count differently.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeAlias

WRITTEN = Path(__file__).parent / "written"
TASK = (
    "What does the rewetting of the Hellmoor cost per tonne of carbon dioxide that it avoids? The water board says 11 "
    "euros. Check that, and give me a report as a PDF with sources and charts, and the data."
)
GOAL = "A report as a PDF with sources and charts, and its data: what a tonne of avoided carbon dioxide costs"
PHASES = (
    "Find sources and read them",
    "Get the account and the measurements",
    "Compute the cost, and check it another way",
    "Draw the charts and write the report",
    "Look at the report and deliver it",
)
DELIVERED = (
    "report.pdf",
    "water.svg",
    "carbon.svg",
    "measurements.csv",
    "results.csv",
    "analyse.py",
)
RESULT = (
    "A tonne of carbon dioxide that the rewetting of the Hellmoor avoids costs about 23 euros (95 %: 17 to 33), not "
    "11. The board compares one plot before and after: a fifth of that change came with the wet year of 2024, as the "
    "control plot shows. And it leaves out upkeep, which is more than a third of the cost over 30 years. Methane was "
    "not measured. The report has the sources and two charts; analyse.py computes every figure from the measurements."
)
OTHER_WAY = (  # the same effect from the file alone, without the script
    "awk -F, '/2022|2024/ { sign = (/2022/ ? 1 : -1) * (/rewetted/ ? 1 : -1); sum += sign * $4 / 1000 } "
    'END { printf "effect %.3f t, cost %.2f euros a tonne\\n", sum, 768300 / (sum * 96 * 30) }\' measurements.csv'
)
SUMS = (  # items and sums together are twice the sums, in whatever order a table is read
    "grep -Eo '[0-9]{1,3},[0-9]{3}' account.md | tr -d , | "
    'awk \'{ all += $1 } END { print NR " amounts, in all " all "; twice the two sums is " 2 * (486300 + 9400) }\''
)

Step: TypeAlias = dict[str, object]


def script(site: str) -> str:
    """Write the script of the model, one answer a line."""
    return "".join(json.dumps(step).replace("{site}", site) + "\n" for step in (*_read(), *_compute(), *_write()))


def _read() -> tuple[Step, ...]:
    return (
        _plan(0),
        _call("message_info", text="I look for sources first, then compute from the measurements themselves."),
        _call("search_web", query="Hellmoor rewetting cost"),
        _call("search_web", query="effect weather control plot"),
        _call("search_web", query="cost per tonne upkeep"),
        _call("browser_open", url="{site}/"),
        _call("browser_view", form="markdown"),
        _call("browser_open", url="{site}/news"),
        _call("browser_view", form="text", find="tonne"),
        _call("browser_open", url="{site}/monitoring"),
        _call("browser_view", form="markdown"),
        _file("notes.md"),
        _plan(1),
        _call("browser_open", url="{site}/final-account.pdf"),
        _call("browser_open", url="{site}/measurements.csv"),
        _shell(
            "ls -l downloads && cp downloads/measurements.csv . && extract downloads/final-account.pdf > account.md"
        ),
        _call("file_read", path="account.md"),
        _shell("head -5 measurements.csv; wc -l < measurements.csv; cut -d, -f2 measurements.csv | sort | uniq -c"),
        _call(
            "file_edit",
            path="notes.md",
            old="To find: cost of the works and of upkeep in the final account; the data of both plots.",
            new="- [final account] works 486,300 euros, upkeep 9,400 euros a year, not in the sum of the works\n"
            "- [measurements] 36 months, both plots, no gaps",
        ),
    )


def _compute() -> tuple[Step, ...]:
    return (
        _plan(2),
        _shell(SUMS),
        _file("analyse.py"),
        _shell("python3 analyse.py && cat results.csv"),
        _shell(OTHER_WAY),
    )


def _write() -> tuple[Step, ...]:
    return (
        _plan(3),
        _file("chart.py"),
        _shell("python3 chart.py && render carbon.svg carbon.png && ls -l *.svg *.png"),
        _file("report.html", "report.template.html"),
        _file("build.py"),
        _shell("python3 build.py && render report.html report.pdf && pdfinfo report.pdf"),
        _plan(4),
        _shell("extract report.pdf"),
        _call("file_find", glob="report.html", regex="\\$[a-z]"),
        _call("file_read", path="notes.md"),
        _plan(5),
        _call("message_result", text=RESULT, attachments=list(DELIVERED)),
    )


def _call(tool: str, **arguments: object) -> Step:
    return {"tool": tool, "arguments": arguments}


def _plan(done: int) -> Step:
    return _call("plan_update", goal=GOAL, phases=list(PHASES), done=done)


def _shell(command: str) -> Step:
    return _call("shell_run", command=command, timeout_s=180)


def _file(name: str, path: str = "") -> Step:
    return _call("file_write", path=path or name, content=(WRITTEN / name).read_text("utf-8"))
