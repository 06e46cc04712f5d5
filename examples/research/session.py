"""A whole piece of research, by a scripted model: searched, read, computed, drawn, written, delivered.

Everything else is what a real session has.  The site, the collection and what becomes of them stay on this computer;
nothing is asked of any network but loopback.  Afterwards it is shown that the context kept its bounds, what it would
have cost under other policies, and that what was taken out of it can be had back.

    examples/research/run [--out DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from examples.research import serving, steps

HERE = Path(__file__).parent
PRE_ROT_TOKENS = 12_500  # so small that the context has to be reduced on the way: at four fifths of it
HEADER_TOKENS = 2_300  # of tools and system prompt
LIMIT_TOKENS = PRE_ROT_TOKENS * 4 // 5 - HEADER_TOKENS  # for the replay, which counts without the header
SETTINGS = """[search]
folder = "{folder}"

[figures."script:{script}"]
pre_rot_tokens = {pre_rot}

[context]
summaries = false  # a script cannot write one
"""


class Workhand:
    """The command, with a home and settings in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = os.environ | {
            "WORKHAND_HOME": str(directory / "home"),
            "WORKHAND_CONFIG": str(directory / "config.toml"),
            "COLUMNS": "120",
        }

    def __call__(self, *arguments: str) -> None:
        """Run a command before the person's eyes."""
        print(f"\n$ workhand {' '.join(each if ' ' not in each else repr(each) for each in arguments)}", flush=True)
        self._run(*arguments)

    def output(self, *arguments: str) -> bytes:
        return self._run(*arguments, stdout=subprocess.PIPE).stdout

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output(*arguments, "--json").splitlines()]

    def _run(self, *arguments: str, stdout: int | None = None) -> subprocess.CompletedProcess[bytes]:
        argv = [sys.executable, "-m", "workhand", *arguments]
        return subprocess.run(argv, env=self.environment, cwd=self.directory, stdout=stdout, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a folder for the home and all that is made; a new one without it")
    out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="research-"))
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    workhand = Workhand(out)
    with serving.serving() as port:
        prepare(out, f"http://host.internal:{port}")
        workhand("run", "--model", "script:script.jsonl", "--network", f"host.internal:{port}", steps.TASK)
    session = str(workhand.lines("sessions")[0]["id"])
    workhand("show", session, "--context")
    workhand("export", session, "session.workhand")
    workhand("lab", "replay", "session.workhand", "--limit", str(LIMIT_TOKENS), "--prefix", str(HEADER_TOKENS))
    for call in taken_out(workhand, session):
        print(f"$ workhand restore {session} {call}: {len(workhand.output('restore', session, call)):,} bytes")
    print("\nDelivered:", *workhand.lines("show", session)[0]["files"], sep="\n  ")
    return 0


def prepare(out: Path, site: str) -> None:
    """Put into the folder what the session starts with: settings, the script, and the collection to search."""
    folder = out / "collection"
    folder.mkdir()
    for file in (HERE / "collection").iterdir():
        (folder / file.name).write_text(file.read_text("utf-8").replace("{site}", site), "utf-8")
    settings = SETTINGS.format(folder=folder, script=out / "script.jsonl", pre_rot=PRE_ROT_TOKENS)
    (out / "config.toml").write_text(settings, "utf-8")
    (out / "script.jsonl").write_text(steps.script(site), "utf-8")


def taken_out(workhand: Workhand, session: str) -> list[str]:
    """Give the calls whose results have been taken out of the context."""
    told = [line["event"] for line in workhand.lines("show", session, "--events")]
    return [call for event in told if event["kind"] == "ResultsCompacted" for call in event["call_ids"]]


if __name__ == "__main__":
    sys.exit(main())
