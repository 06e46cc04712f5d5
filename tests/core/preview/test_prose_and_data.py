"""Texts, JSON and tables: what a preview of each shows."""

from __future__ import annotations

import json

import pytest

from workhand.core.preview import Preview, preview

CASES = [
    pytest.param(
        "\n".join(
            [
                "Opening.",
                *["plain words without any thing"] * 40,
                "see docs/setup.md and ticket AB-1234",
                *["more plain words of no use"] * 40,
                "Closing.",
            ]
        ),
        300,
        Preview(
            "text",
            (
                "[text, 89 % left out; all 2,334 bytes are in r.txt]\n"
                "Opening.\n"
                "plain words without any thing\n"
                "plain words without any thing\n"
                "plain words without any thing\n"
                "plain words without any thing\n"
                "…\n"
                "see docs/setup.md and ticket AB-1234\n"
                "…\n"
                "more plain words of no use\n"
                "Closing.\n"
                "…\n"
                "also: docs/setup.md AB-1234"
            ),
        ),
        id="a text: its ends, and between them the line with a name",
    ),
    pytest.param(
        json.dumps(
            {
                "total": 6,
                "items": [
                    {
                        "id": 100 + n,
                        "name": f"part {n}",
                        "kind": "bolt",
                        "note": f"{n} a long remark that tells little " * 3,
                    }
                    for n in range(6)
                ],
                "next": "page=2",
            }
        ),
        300,
        Preview(
            "json",
            (
                "[json, 84 % left out; all 1,007 bytes are in r.txt]\n"
                "total: 6; next: page=2\n"
                "items: 6 rows x 4 columns\n"
                "not shown: note\n"
                "in all: kind=bolt\n"
                "id|name\n"
                "100|part 0\n"
                "101|part 1\n"
                "102|part 2\n"
                "103|part 3\n"
                "104|part 4\n"
                "105|part 5"
            ),
        ),
        id="one object with a list: fields, then ids and names of all rows",
    ),
    pytest.param(
        json.dumps([{"id": n, "title": f"t{n}"} for n in range(60)]),
        160,
        Preview(
            "json",
            (
                "[json, 93 % left out; all 1,660 bytes are in r.txt]\n"
                "list: 60 rows x 2 columns\n"
                "id|title\n"
                "0|t0\n"
                "1|t1\n"
                "2|t2\n"
                "3|t3\n"
                "4|t4\n"
                "5|t5\n"
                "6|t6\n"
                "7|t7\n"
                "8|t8\n"
                "9|t9\n"
                "10|t10\n"
                "…\n"
                "59|t59"
            ),
        ),
        id="a list too long for the room: first rows, and the last",
    ),
    pytest.param(
        json.dumps(
            {
                "content": [
                    {
                        "type": "text",
                        "text": "Found these:\n" + json.dumps([{"id": n, "title": f"title {n}"} for n in range(20)]),
                    }
                ]
            }
        ),
        260,
        Preview(
            "json",
            (
                "[json, 75 % left out; all 817 bytes are in r.txt]\n"
                "Found these:\n"
                "list: 20 rows x 2 columns\n"
                "id|title\n"
                "0|title 0\n"
                "1|title 1\n"
                "2|title 2\n"
                "3|title 3\n"
                "4|title 4\n"
                "5|title 5\n"
                "6|title 6\n"
                "7|title 7\n"
                "8|title 8\n"
                "9|title 9\n"
                "10|title 10\n"
                "11|title 11\n"
                "12|title 12\n"
                "…\n"
                "19|title 19"
            ),
        ),
        id="an envelope of text around JSON after a few words",
    ),
    pytest.param(
        (
            '[{"id": 1, "name": "one"}, {"id": 2, "name": "two"}, {"id": 3, "name": "three"}, {"id": 4,'
            ' "na\n'
            "(cut here; see out_file.json)"
        ),
        300,
        Preview(
            "json",
            (
                "[json, 23 % left out; all 124 bytes are in r.txt]\n"
                "list: 4 rows x 2 columns\n"
                "id|name\n"
                "1|one\n"
                "2|two\n"
                "3|three\n"
                "4|\n"
                "…\n"
                ', "na\n'
                "(cut here; see out_file.json)"
            ),
        ),
        id="JSON that was cut off, and a remark",
    ),
    pytest.param(
        '{"type": "text", "text": "' + "line of words in an envelope\\n" * 20 + "\\ and more",
        200,
        Preview(
            "text",
            (
                "[text, 79 % left out; all 636 bytes are in r.txt]\n"
                "line of words in an envelope\n"
                "line of words in an envelope\n"
                "line of words in an envelope\n"
                "line of words in an envelope\n"
                "…\n"
                "\\ and more"
            ),
        ),
        id="an escape that was cut off",
    ),
    pytest.param(
        "\n".join(json.dumps({"id": n, "event": f"ev_{n}"}) for n in range(4)),
        300,
        Preview(
            "json",
            (
                "[json, 42 % left out; all 107 bytes are in r.txt]\n"
                "list: 4 rows x 2 columns\n"
                "id|event\n"
                "0|ev_0\n"
                "1|ev_1\n"
                "2|ev_2\n"
                "3|ev_3"
            ),
        ),
        id="JSON lines",
    ),
    pytest.param(
        json.dumps({f"host{n}": {"ip": f"10.0.0.{n}", "up": True} for n in range(4)}),
        300,
        Preview(
            "json",
            (
                "[json, 33 % left out; all 164 bytes are in r.txt]\n"
                "object: 4 rows x 3 columns\n"
                "in all: up=true\n"
                "key|ip\n"
                "host0|10.0.0.0\n"
                "host1|10.0.0.1\n"
                "host2|10.0.0.2\n"
                "host3|10.0.0.3"
            ),
        ),
        id="an object of objects",
    ),
    pytest.param(
        json.dumps({"rows": [{"cells": [{"v": f"a{n}"}, {"v": f"b{n}"}]} for n in range(4)]}),
        300,
        Preview(
            "json",
            (
                "[json, 65 % left out; all 166 bytes are in r.txt]\n"
                "rows: 4 rows x 1 columns\n"
                "cells[].v\n"
                "a0,b0\n"
                "a1,b1\n"
                "a2,b2\n"
                "a3,b3"
            ),
        ),
        id="nested lists are joined under the path of their leaves",
    ),
    pytest.param(
        json.dumps({"name": "x" * 300, "id": 7, "ok": True, "tags": ["a", "b"], "none": None, "deep": {"er": 1.5}}),
        300,
        Preview(
            "json",
            (
                "[json, 69 % left out; all 388 bytes are in r.txt]\n"
                "name: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…; id: 7; ok: true; tags: [2] a, "
                "b; none: null; deep.er: 1.5"
            ),
        ),
        id="fields that do not fit are shortened",
    ),
    pytest.param(
        "order,customer,amount\n" + "\n".join(f"A{n:03},name{n},{n}.50" for n in range(40)),
        260,
        Preview(
            "table",
            (
                "[table, 71 % left out; all 721 bytes are in r.txt]\n"
                "table: 40 rows x 3 columns\n"
                "not shown: customer\n"
                "order|amount\n"
                "A000|0.50\n"
                "A001|1.50\n"
                "A002|2.50\n"
                "A003|3.50\n"
                "A004|4.50\n"
                "A005|5.50\n"
                "A006|6.50\n"
                "A007|7.50\n"
                "A008|8.50\n"
                "A009|9.50\n"
                "A010|10.50\n"
                "A011|11.50\n"
                "A012|12.50\n"
                "…\n"
                "A039|39.50"
            ),
        ),
        id="comma separated",
    ),
    pytest.param(
        "Results:\n\n| model | score |\n|---|---|\n" + "\n".join(f"| m{n} | 0.{n} |" for n in range(6)),
        300,
        Preview(
            "table",
            (
                "[table, 20 % left out; all 115 bytes are in r.txt]\n"
                "Results:\n"
                "…\n"
                "table: 6 rows x 2 columns\n"
                "model|score\n"
                "m0|0.0\n"
                "m1|0.1\n"
                "m2|0.2\n"
                "m3|0.3\n"
                "m4|0.4\n"
                "m5|0.5"
            ),
        ),
        id="a Markdown table after a heading",
    ),
    pytest.param(
        "NAME        READY   STATUS\n" + "\n".join(f"pod-{n}       {n}/9     Running" for n in range(6)),
        300,
        Preview(
            "table",
            (
                "[table, 38 % left out; all 194 bytes are in r.txt]\n"
                "table: 6 rows x 3 columns\n"
                "in all: STATUS=Running\n"
                "NAME|READY\n"
                "pod-0|0/9\n"
                "pod-1|1/9\n"
                "pod-2|2/9\n"
                "pod-3|3/9\n"
                "pod-4|4/9\n"
                "pod-5|5/9"
            ),
        ),
        id="aligned columns",
    ),
]


@pytest.mark.parametrize(("text", "bytes_max", "shown"), CASES)
def test_texts_and_data_are_shown_by_what_tells_most(text: str, bytes_max: int, shown: Preview) -> None:
    assert preview(text.encode(), path="r.txt", bytes_max=bytes_max) == shown
