"""Generated sessions: the figures of their kind, real needs, and the same bytes everywhere."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from itertools import pairwise
from random import Random
from statistics import mean

import pytest

from tests.lab.synthetic.sample import measure, needs, quantile
from workhand.errors import ConfigError
from workhand.lab.synthetic.content import FORMS, FormName, content
from workhand.lab.synthetic.generator import generate
from workhand.lab.synthetic.kinds import FIGURES, MIXED, PlainKind
from workhand.lab.trace import Answer, Returned, Said, Trace, chained

KINDS: tuple[PlainKind, ...] = ("office", "code", "web", "ctf")
SESSIONS = 80
DIGEST = "7ac2896d16f0dbad5ba0d4e428c409eb5f24d753c53a05940e663b69f1fc9aab"
"""Of two sessions of each kind. Where it changes, every figure measured on generated sessions changes too."""


@pytest.fixture(scope="module")
def made() -> dict[PlainKind, tuple[Trace, ...]]:
    return {kind: generate(11, sessions=SESSIONS, kind=kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_sessions_have_the_figures_of_their_kind(kind: PlainKind, made: dict[PlainKind, tuple[Trace, ...]]) -> None:
    figures, sample = FIGURES[kind], measure(made[kind])
    sizes = dict(figures.result_bytes)
    assert quantile(sample.calls, 0.5) == pytest.approx(dict(figures.calls)[0.5], rel=0.15)
    assert quantile(sample.results, 0.5) == pytest.approx(sizes[0.5], rel=0.2)
    assert quantile(sample.results, 0.9) == pytest.approx(sizes[0.9], rel=0.2)
    assert 0.5 < quantile(sample.results, 0.99) / sizes[0.99] < 2  # some thirty results decide it
    assert max(sample.results) <= 1.02 * sizes[1]
    assert sample.errors / len(sample.results) == pytest.approx(figures.errors, abs=0.02)
    assert sample.repeated_calls / len(sample.results) == pytest.approx(figures.repeated_calls, abs=0.03)
    assert sample.silent / sample.answers == pytest.approx(figures.silent, abs=0.03)
    assert sample.read_bytes / sample.written_bytes == pytest.approx(figures.input_output, rel=0.25)


@pytest.mark.parametrize("kind", ["office", "code", "web"])
def test_three_in_ten_results_are_needed_again_after_about_six_answers(
    kind: PlainKind, made: dict[PlainKind, tuple[Trace, ...]]
) -> None:
    found = [need for trace in made[kind] for need in needs(trace)]
    results = sum(isinstance(part, Returned) for trace in made[kind] for part in trace.parts)
    assert len({need.result for need in found}) / results == pytest.approx(0.28, abs=0.05)
    assert mean(need.age for need in found) == pytest.approx(FIGURES[kind].needed_age, rel=0.3)


def test_what_is_needed_stands_mostly_in_the_middle_of_large_results(
    made: dict[PlainKind, tuple[Trace, ...]],
) -> None:
    places = [need.place for trace in made["office"] for need in needs(trace) if need.bytes > 8_000]
    inside = sum(0.1 < place < 0.9 for place in places) / len(places)
    assert inside == pytest.approx(FIGURES["office"].middle, abs=0.12)


def test_every_call_has_one_result_after_it_and_every_argument_is_json() -> None:
    for trace in generate(2, sessions=8, kind="mixed"):
        answers = [part for part in trace.parts if isinstance(part, Answer)]
        called = [call.id for answer in answers for call in answer.calls]
        returned = [part.call for part in trace.parts if isinstance(part, Returned)]
        assert returned == called and len(set(called)) == len(called)
        assert all(isinstance(json.loads(call.arguments), dict) for answer in answers for call in answer.calls)
        assert all(call.arguments in answer.text for answer in answers for call in answer.calls if call.in_text)
        assert answers[-1].calls == () and isinstance(trace.parts[0], Said)


def test_time_only_moves_forward_and_rests_now_and_then_for_longer_than_a_cache_lives() -> None:
    traces = generate(3, sessions=20, kind="code")
    times = [[part.at or 0.0 for part in trace.parts if isinstance(part, Answer)] for trace in traces]
    gaps = [later - earlier for each in times for earlier, later in pairwise(each)]
    assert min(gaps) > 0
    assert sum(gap > 300 for gap in gaps) / len(gaps) == pytest.approx(0.02, abs=0.01)


def test_a_longer_series_begins_with_the_shorter_one() -> None:
    assert generate(5, sessions=4, kind="office")[:2] == generate(5, sessions=2, kind="office")


def test_another_seed_makes_other_sessions() -> None:
    (one,), (other,) = generate(1, sessions=1, kind="ctf"), generate(2, sessions=1, kind="ctf")
    assert one.parts[0] != other.parts[0]


def test_mixed_sessions_are_of_every_kind_and_join_with_their_own() -> None:
    traces = generate(4, sessions=60, kind="mixed")
    assert {trace.source for trace in traces} == {f"generated-{kind}" for kind, _ in MIXED}
    assert all(150 <= trace.answers <= 400 for trace in chained(traces))


@pytest.mark.parametrize("hash_seed", ["0", "12345"])
def test_processes_with_different_hash_seeds_make_the_same_bytes(hash_seed: str) -> None:
    code = (
        "import hashlib; from workhand.lab.synthetic.generator import generate; "
        "made = [generate(1, sessions=2, kind=kind) for kind in ('office', 'code', 'web', 'ctf', 'mixed')]; "
        "print(hashlib.sha256(repr(made).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert made.stdout.strip() == DIGEST


@pytest.mark.parametrize("form", list(FORMS))
@pytest.mark.parametrize("size_bytes", [20, 500, 5_000, 100_000])
def test_a_text_is_as_large_as_asked_to_within_a_few_lines(form: FormName, size_bytes: int) -> None:
    made = content(Random(1), form, size_bytes)
    assert len(made.text.encode()) == pytest.approx(size_bytes, abs=220)
    assert all(name in made.text for name in made.names)


def test_records_are_json_and_tables_are_csv() -> None:
    records = json.loads(content(Random(2), "records", 4_000).text)
    rows = list(csv.DictReader(io.StringIO(content(Random(2), "table", 4_000).text)))
    assert {"id", "owner", "amount"} <= records[0].keys()
    assert {len(row) for row in rows} == {7} and all(row["state"] for row in rows)


@pytest.mark.parametrize(("sessions", "kind"), [(0, "office"), (10_001, "office"), (1, "kitchen")])
def test_what_cannot_be_generated_is_refused_with_the_choices(sessions: int, kind: str) -> None:
    with pytest.raises(ConfigError, match=r"ask for 1 to 10000|choose one of office, code, web, ctf, mixed"):
        generate(1, sessions=sessions, kind=kind)  # type: ignore[arg-type]  # a kind from a command line
