"""Run released packages on recorded work, each as its own users would, and audit all that they sent.

    python bench/peers/run.py --traces DIR [--sample N] [--long N] [--packages a,b] [--limit TOKENS]
                              [--driver NAME=COMMAND] [--json] [--out DIR]

Every package runs on every session of the sample: single ones with its default
window, long ones with that and with one of ``--limit`` tokens.  One server stands for one
run, and its recording is kept in ``--out``; what is recorded there already is not
run again.  A driver is any command that takes the address of a server, the file
of a session and perhaps a limit; ``--driver NAME=COMMAND`` adds one.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.peers import session as sessions
from bench.peers.server import serving
from workhand.lab.formats import trajectory
from workhand.lab.trace import Answer, Trace, chained

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
QUOTAS = (("toolathlon", 12), ("liveswe", 3), ("magentic-gaia", 3), ("multiswe-java", 2))  # of a sample of 20
CALLS_MIN, CALLS_MAX = 40, 120  # of a single session where a source has many lengths
VARIED = "toolathlon"
RUN_S_MAX = 1_800


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    environment: str
    driver: str
    variant: str = ""
    windowed: bool = True  # whether a limit changes anything


PEERS = (
    Peer("workhand", "", "drive_workhand.py"),
    Peer("plain_openai", "plain", "drive_plain_openai.py", windowed=False),
    Peer("plain_anthropic", "plain", "drive_plain_anthropic.py", windowed=False),
    Peer("strands", "strands", "drive_strands.py"),
    Peer("deepagents", "deepagents", "drive_deepagents.py"),
    Peer("agno", "agno", "drive_agno.py"),
    Peer("openhands", "openhands", "drive_openhands.py"),
    Peer("langchain_summary", "langchain", "drive_langchain.py", "summary"),
    Peer("langchain_clearing", "langchain", "drive_langchain.py", "clearing"),
    Peer("openai_agents", "openai_agents", "drive_openai_agents.py", windowed=False),
    Peer("openai_agents_compaction", "openai_agents", "drive_openai_agents.py", "compaction", windowed=False),
    Peer("pydantic_ai", "pydantic_ai", "drive_pydantic_ai.py", windowed=False),
    Peer("smolagents", "smolagents", "drive_smolagents.py", windowed=False),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One driver on one session; where its recording and its report are kept."""

    name: str
    command: tuple[str, ...]
    session: Path
    limit: int | None
    folder: Path

    @property
    def recording(self) -> Path:
        return self.folder / f"{self.session.stem}.jsonl.gz"

    @property
    def report(self) -> Path:
        return self.folder / f"{self.session.stem}.json"


def main() -> None:
    options = arguments()
    drivers = chosen(options.packages, options.driver, options.environments)
    print_versions(options.environments, [peer for peer, _ in drivers])
    files = sample(options.traces, options.sample, options.long, options.out)
    runs = list(planned(drivers, files, options.limit, options.out))
    failed = 0
    for number, run in enumerate(runs, 1):
        if run.report.exists():
            continue
        began = time.perf_counter()
        said = perform(run)
        failed += said != "done"
        place = f"{run.folder.relative_to(options.out)}/{run.session.stem}"
        print(
            f"[{number}/{len(runs)}] {place}: {said} ({time.perf_counter() - began:.0f} s)", file=sys.stderr, flush=True
        )
    if failed:
        print(f"{failed} of {len(runs)} runs failed; the audit leaves them out", file=sys.stderr)
    audit(options.out, options.environments, options.json)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, required=True, help="a folder of trajectory-v1 files")
    parser.add_argument("--sample", type=int, default=20, help="single sessions (20)")
    parser.add_argument("--long", type=int, default=2, help="long sessions (2)")
    parser.add_argument("--packages", default="", help="names, with commas; all of them by default")
    parser.add_argument("--driver", action="append", default=[], metavar="NAME=COMMAND", help="one more driver")
    parser.add_argument("--limit", type=int, default=64_000, help="tokens of the small window (64000)")
    parser.add_argument("--json", action="store_true", help="print one object of JSON")
    parser.add_argument("--out", type=Path, default=Path(".peers/out"), help="where recordings are kept (.peers/out)")
    parser.add_argument("--environments", type=Path, default=Path(".peers"), help="what was installed (.peers)")
    return parser.parse_args()


def chosen(packages: str, added: list[str], environments: Path) -> list[tuple[Peer, tuple[str, ...]]]:
    """Give each wanted driver and the command that starts it; workhand and the plain loop are always among them."""
    wanted = {"workhand", "plain_openai", *packages.split(",")} if packages else {peer.name for peer in PEERS}
    if unknown := wanted - {peer.name for peer in PEERS} - {""}:
        raise SystemExit(f"there is no package {sorted(unknown)[0]!r}; there are {', '.join(p.name for p in PEERS)}")
    found: list[tuple[Peer, tuple[str, ...]]] = []
    for peer in PEERS:
        installed = environments / peer.environment / "bin" / "python"
        python = installed.absolute() if peer.environment else Path(sys.executable)
        if peer.name in wanted and python.exists():
            found.append((peer, (str(python), "-P", str(HERE / peer.driver))))
        elif peer.name in wanted:
            print(f"{peer.name} is not installed: run bench/peers/install {environments}", file=sys.stderr)
    for pair in added:
        name, _, command = pair.partition("=")
        found.append((Peer(name, "", ""), tuple(shlex.split(command))))
    return found


def print_versions(environments: Path, peers: list[Peer]) -> None:
    names = sorted({peer.environment for peer in peers if peer.environment})
    if names:
        subprocess.run([str(HERE / "install"), str(environments), *names], stdout=sys.stderr, check=False)


def sample(traces: Path, singles: int, long: int, out: Path) -> dict[str, list[Path]]:
    """Choose the sessions and write them where drivers find them."""
    read = list(recorded(traces))
    sets: dict[str, list[tuple[Trace, ...]]] = {
        "single": [(trace,) for trace in _singles(read, singles)],
        "long": _long(read, long),
    }
    files: dict[str, list[Path]] = {"single": [], "long": []}
    for kind, listed in sets.items():
        for joined in listed:
            id = joined[0].id.replace("/", "_") + (f"+{len(joined) - 1}" if kind == "long" else "")
            files[kind].append(out / "sessions" / kind / f"{id}.json")
            sessions.write(sessions.from_traces(id, joined), files[kind][-1])
    return files


def recorded(traces: Path) -> Iterator[Trace]:
    for file in sorted(traces.rglob("*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8", newline="\n") as lines:
            yield from trajectory.read(lines, file.name).traces


def _singles(traces: list[Trace], count: int) -> list[Trace]:
    by_source = {source: [trace for trace in traces if trace.source == source] for source, _ in QUOTAS}
    if not all(by_source.values()):
        return traces[:count]
    by_source[VARIED] = [trace for trace in by_source[VARIED] if CALLS_MIN <= _calls(trace) <= CALLS_MAX]
    total = sum(quota for _, quota in QUOTAS)
    return [trace for source, quota in QUOTAS for trace in by_source[source][: max(1, round(quota * count / total))]][
        :count
    ]


def _long(traces: list[Trace], count: int) -> list[tuple[Trace, ...]]:
    """Give the first long session of each model in turn, as the traces that it is joined of."""
    source = sorted((trace for trace in traces if trace.source == VARIED), key=lambda trace: trace.id)
    first: dict[str, tuple[Trace, ...]] = {}
    for session in chained(source):
        id, _, more = session.id.rpartition("+")
        start = next(index for index, trace in enumerate(source) if trace.id == id)
        first.setdefault(session.model, tuple(source[start : start + int(more) + 1]))
    return list(first.values())[:count]


def _calls(trace: Trace) -> int:
    return sum(len(part.calls) for part in trace.parts if isinstance(part, Answer))


def planned(
    drivers: list[tuple[Peer, tuple[str, ...]]], files: dict[str, list[Path]], limit: int, out: Path
) -> Iterator[Run]:
    for peer, command in drivers:
        for kind, window in (("single", None), ("long", None), ("long", limit if peer.windowed else None)):
            if kind == "long" and window == limit and not peer.windowed:
                continue
            folder = out / "runs" / peer.name / f"{kind}-{window or 'default'}"
            options = ("--variant", peer.variant) if peer.variant else ()
            yield from (Run(peer.name, (*command, *options), file, window, folder) for file in files[kind])


def perform(run: Run) -> str:
    """Run a driver against a server of its own; say how it went."""
    unfinished = run.recording.with_suffix(".part")
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
    limit = [str(run.limit)] if run.limit else []
    with serving(sessions.read(run.session), unfinished) as url:
        try:
            ended = subprocess.run(
                [*run.command, url, str(run.session.absolute()), *limit],
                env=environment,
                capture_output=True,
                text=True,
                timeout=RUN_S_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"still running after {RUN_S_MAX} s"
    run.recording.with_suffix(".log").write_text(ended.stdout[-100_000:] + ended.stderr[-100_000:], "utf-8")
    if ended.returncode:
        return f"failed with {ended.returncode}: {(ended.stderr.strip() or '?').splitlines()[-1][:300]}"
    unfinished.rename(run.recording)
    run.report.write_text(ended.stdout.strip().splitlines()[-1], "utf-8")
    return "done"


def audit(out: Path, environments: Path, as_json: bool) -> None:
    """Audit with the interpreter that can count tokens, if there is one."""
    counting = (environments / "audit" / "bin" / "python").absolute()
    command = [str(counting) if counting.exists() else sys.executable, str(HERE / "audit.py"), str(out)]
    subprocess.run(command + (["--json"] if as_json else []), check=True)


if __name__ == "__main__":
    main()
