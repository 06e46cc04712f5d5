"""Data that a person has named is read in machines, and not changed there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import BEGIN, DELIVER, PLAN, Workhand, shell
from tests.data.server import PASSWORD, Server, running

pytestmark = pytest.mark.usefixtures("require_bubblewrap")
CONFIG, NOT_THERE = 3, 2
LOOK = "cat /mnt/data/sales/*.csv /mnt/data/prices/prices.csv"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as found:
        yield found


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    directory = tmp_path / "sales"
    directory.mkdir()
    directory.chmod(0o755)
    (directory / "2024.csv").write_text("bolt,7\n")
    (directory / "2024.csv").chmod(0o644)
    (tmp_path / "prices.csv").write_text("bolt,0.5\n")
    (tmp_path / "prices.csv").chmod(0o600)
    return directory


def observed(workhand: Workhand) -> str:
    events = [each["event"] for each in workhand.events(workhand.session())]
    return str([each["observation"]["full"] for each in events if "observation" in each][-2])


def test_a_session_is_told_of_data_and_reads_it_without_changing_it(workhand: Workhand, sales: Path) -> None:
    added = workhand("data", "add", "sales", str(sales), "--describe", "Orders of\n2024.")
    assert (added.code, added.out) == (0, f"sales is added: sessions read {sales} at /mnt/data/sales.\n"), added.err
    assert workhand("data", "add", "prices", str(sales.parent / "prices.csv")).code == 0
    model = workhand.script(PLAN, BEGIN, shell(LOOK), DELIVER)
    ran = workhand("run", "--model", model, "What sold?")
    assert ran.code == 0, ran.err
    prompt = workhand.events(workhand.session())[0]["event"]["policy"]["system_prompt"]
    assert "- sales: Orders of 2024. (/mnt/data/sales)" in prompt
    assert "- prices: A file. (/mnt/data/prices/prices.csv)" in prompt
    assert "bolt,7\nbolt,0.5\n" in observed(workhand)
    sales.chmod(0o777)
    (sales / "2024.csv").chmod(0o666)
    for name, said in (("sales/new", "Read-only"), ("sales/2024.csv", "Read-only"), ("prices/prices.csv", "")):
        tried = workhand("sandbox", "exec", "--", "sh", "-c", f"echo more >> /mnt/data/{name}")
        assert (tried.code != 0, said in tried.err) == (True, True), tried.err
    assert (sales / "2024.csv").read_text() == "bolt,7\n"
    assert sorted(path.name for path in sales.iterdir()) == ["2024.csv"]


def test_data_that_is_removed_or_gone_is_neither_shown_nor_told_of(workhand: Workhand, sales: Path) -> None:
    assert workhand("data", "add", "sales", str(sales)).code == 0
    assert workhand("data", "add", "prices", str(sales.parent / "prices.csv")).code == 0
    (sales.parent / "prices.csv").unlink()
    prices, kept = workhand("data", "ls", "--json").lines
    assert "is not there" in prices["problem"] and (kept["name"], kept["problem"]) == ("sales", "")
    assert workhand("data", "remove", "sales").out == "sales is removed.\n"
    model = workhand.script(PLAN, BEGIN, shell("ls -d /mnt/data*"), DELIVER)
    assert workhand("run", "--model", model, "What sold?").code == 0
    assert "No such file" in observed(workhand)
    assert "/mnt/data" not in workhand.events(workhand.session())[0]["event"]["policy"]["system_prompt"]


def test_a_directory_that_became_a_link_to_another_is_no_longer_shown(workhand: Workhand, sales: Path) -> None:
    assert workhand("data", "add", "sales", str(sales)).code == 0
    sales.rename(sales.with_name("moved"))
    sales.symlink_to(workhand.home)
    ran = workhand("sandbox", "exec", "--", "ls", "/mnt/data")
    assert (ran.code, ran.out, "No such file" in ran.err) == (NOT_THERE, "", True), ran.err
    assert "may hold secrets" in workhand("data", "show", "sales").out


def test_names_are_taken_once_and_what_is_unknown_or_secret_is_refused(workhand: Workhand, sales: Path) -> None:
    added = workhand("data", "add", "sales", str(sales))
    assert (added.code, added.err) == (0, "")
    assert "files    1" in workhand("data", "show", "sales").out
    again = workhand("data", "add", "sales", str(sales))
    assert (again.code, "There is data 'sales' already" in again.err) == (CONFIG, True)
    for arguments in (("show", "other"), ("remove", "other"), ("add", "home", str(workhand.home))):
        assert workhand("data", *arguments).code == CONFIG
    stated = json.loads((workhand.home / "data.json").read_text())
    assert stated == {"data": {"sales": {"kind": "directory", "where": str(sales)}}}


def test_a_database_is_asked_from_a_session_that_never_has_its_password(workhand: Workhand, server: Server) -> None:
    where = f"127.0.0.1:{server.port}"
    assert workhand("secrets", "add", "SHOP_KEY", "--host", where, stdin=PASSWORD).code == 0
    address = f"postgresql://reader:${{SHOP_KEY}}@{where}/postgres"
    added = workhand("data", "add", "shop", address, "--describe", "What was sold.")
    assert added.out == "shop is added: sessions ask it with `data query shop`; 1 tables can be read.\n", added.err
    assert workhand("data", "show", "shop").code == 0
    ask = "data query shop 'SELECT sum(price) AS total FROM orders'; data query shop -o out.csv 'SELECT * FROM orders'"
    change = "echo 'DELETE FROM orders' | data query shop -; data show nothing; data show shop; data ls"
    look = f"env | grep -c {PASSWORD[6:]}; grep -rlI {PASSWORD[6:]} /home /tmp /run /etc /opt"
    model = workhand.script(PLAN, BEGIN, shell(f"{ask}; wc -l < out.csv; {change}; {look}"), DELIVER)
    ran = workhand("run", "--model", model, "What did it bring?")
    assert ran.code == 0, ran.err
    prompt = workhand.events(workhand.session())[0]["event"]["policy"]["system_prompt"]
    assert "- shop: What was sold. (`data show shop`, `data query shop SQL`)" in prompt
    said = observed(workhand)
    assert "total\n125125.00" in said and "out.csv: 1,000 rows" in said and "\n1001\n" in said, said
    assert "cannot execute DELETE in a read-only transaction" in said
    assert "There is no database 'nothing'; there are shop." in said
    assert "public.orders (about 1,000 rows): id integer" in said
    assert "shop  postgresql  `data show shop`, `data query shop SQL`  What was sold." in said
    kept = (workhand.home / "data.json").read_text() + json.dumps(workhand.events(workhand.session()))
    assert PASSWORD not in kept


def test_a_rule_forbids_a_database(workhand: Workhand, server: Server) -> None:
    rules = workhand.directory / "rules.toml"
    rules.write_text('[[rule]]\nname = "no-shop"\nverdict = "deny"\nhosts = ["data:shop"]\nwhy = "It is closed."\n')
    workhand.environment["SHOP_KEY"] = PASSWORD
    assert (
        workhand("data", "add", "shop", f"postgresql://reader:${{SHOP_KEY}}@127.0.0.1:{server.port}/postgres").code == 0
    )
    model = workhand.script(PLAN, BEGIN, shell("data query shop 'SELECT 42'"), DELIVER)
    assert workhand("run", "--model", model, "--approve", str(rules), "Ask").code == 0
    told = observed(workhand)
    assert "data: Refused by rule 'no-shop': It is closed." in told and "\n42" not in told


@pytest.mark.parametrize(
    "place", ["postgresql://reader:dummy-value-123456@127.0.0.1/a", "mysql://dummy-value-123456@b/c"]
)
def test_an_address_that_cannot_be_used_is_not_repeated(workhand: Workhand, place: str) -> None:
    added = workhand("data", "add", "shop", place)
    assert added.code == CONFIG and "dummy" not in added.err and "postgresql://USER:${NAME}@HOST" in added.err
