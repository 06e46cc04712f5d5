"""``data``: ask the databases that the user has added; the host asks them, so no password is in this machine."""

from __future__ import annotations

import getopt
import json
import sys

from .asking import ask

HELP = """\
data ls                         what there is: files and directories to read, databases to ask
data show NAME                  the tables of a database: SCHEMA.TABLE (about N rows): columns
data query NAME SQL             ask it one thing; the answer is CSV. SQL - is standard input

--json     a line of JSON for each row; CSV has numbers exactly as the database writes them
-o FILE    write the answer there, and print how much it is

A database is only read, as PostgreSQL, one statement at a time, within 2 minutes, 1,000,000 rows and 32 MB.

Exit status: 0 done, 1 not done (the reason is on standard error), 2 wrong arguments, 3 cut off at a limit.
"""
CUT = 3


def main(arguments: list[str]) -> int:
    options, operands = getopt.gnu_getopt(arguments, "o:", ["json"])
    given = dict(options)
    if operands == ["ls"]:
        said, _ = ask({"service": "data", "op": "list"})
        sys.stdout.write("".join(map(_line, said["data"])) or "none\n")
    elif operands[:1] == ["show"] and len(operands) == 2:
        _, (content,) = ask({"service": "data", "op": "show", "name": operands[1]})
        tables = [json.loads(line) for line in content.splitlines()]
        sys.stdout.write("".join(map(_table, tables)) or "nothing that can be read\n")
    elif operands[:1] == ["query"] and len(operands) == 3:
        return query(operands[1], operands[2], given)
    else:
        raise getopt.GetoptError("give ls, show with a name, or query with a name and SQL")
    return 0


def query(name: str, text: str, given: dict[str, str]) -> int:
    """Ask, and put the answer where it is wanted."""
    asked = sys.stdin.read() if text == "-" else text
    form = "json" if "--json" in given else "csv"
    said, (content,) = ask({"service": "data", "op": "query", "name": name, "form": form}, asked.encode())
    if "-o" in given:
        with open(given["-o"], "wb") as file:
            file.write(content)
        sys.stdout.write(f"{given['-o']}: {said['rows']:,} rows, {len(content):,} bytes\n")
    else:
        sys.stdout.buffer.write(content)
    if said["whole"]:
        return 0
    sys.stderr.write(f"data: Only the first {said['rows']:,} rows: it is too much; ask for less.\n")
    return CUT


def _line(each: dict[str, str]) -> str:
    return f"{each['name']}  {each['kind']}  {each['inside']}  {each['description']}".rstrip() + "\n"


def _table(each: dict[str, str]) -> str:
    comment = f" -- {each['comment']}" if each["comment"] else ""
    return f"{each['schema']}.{each['table']} (about {int(each['rows']):,} rows): {each['columns']}{comment}\n"
