"""A real PostgreSQL is asked, and stays as it was whatever it is asked."""

from __future__ import annotations

import json

import pytest

from tests.data.server import PASSWORD, Server
from workhand.data import postgres
from workhand.data.postgres import Bounds
from workhand.errors import ConfigError, ServerFailed

pytestmark = pytest.mark.anyio


async def test_rows_come_as_csv_as_the_database_writes_them(server: Server) -> None:
    text = """SELECT 1.50 AS a, 'x,"y' || chr(10) AS b, NULL AS c, true AS d, 'infinity'::timestamp AS e"""
    answer = await postgres.query(server.address(), text, "csv")
    assert answer.content.decode() == 'a,b,c,d,e\n1.50,"x,""y\n",,t,infinity\n'
    assert (answer.rows, answer.whole) == (1, True)


async def test_rows_come_as_json_with_what_json_has(server: Server) -> None:
    text = """SELECT id, price, paid, note, day, 'NaN'::float8 AS none FROM orders ORDER BY id LIMIT 1"""
    answer = await postgres.query(server.address(), text, "json")
    said = {"id": 1, "price": 0.25, "paid": False, "note": {"a": [1]}, "day": "2026-01-02", "none": "NaN"}
    assert [json.loads(line) for line in answer.content.splitlines()] == [said]


async def test_no_rows_are_an_answer(server: Server) -> None:
    assert (await postgres.query(server.address(), "SELECT 1 WHERE false", "json")).rows == 0


async def test_tables_that_the_role_may_read_are_told(server: Server) -> None:
    answer = await postgres.tables(server.address())
    (table,) = [json.loads(line) for line in answer.content.splitlines()]
    assert (table["schema"], table["table"], table["rows"], table["comment"]) == (
        "public",
        "orders",
        1_000,
        "What was sold",
    )
    assert table["columns"].startswith("id integer, thing text, price numeric")


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM orders",
        "SELECT 1; DELETE FROM orders",
        "COMMIT; DELETE FROM orders",
        "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone",
        "SELECT careless()",
        "EXPLAIN ANALYZE DELETE FROM orders",
        "SELECT * FROM orders FOR UPDATE",
        "SELECT nextval('numbers')",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "DO $$ BEGIN COMMIT; DELETE FROM orders; END $$",
        "DO $$ BEGIN PERFORM set_config('transaction_read_only', 'off', true); DELETE FROM orders; END $$",
        "COPY orders FROM PROGRAM 'id'",
        "COPY orders TO PROGRAM 'id'",
        "COPY orders TO '/tmp/orders'",
        "COPY orders TO STDOUT",
        "COPY orders FROM STDIN",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT * FROM hidden",
        "SELECT passwd FROM pg_shadow",
        "SELECT pg_reload_conf()",
        "CREATE TEMP TABLE t (n int)",
        "PREPARE p AS DELETE FROM orders",
        "COMMIT",
        "ROLLBACK AND CHAIN",
        "COMMIT AND CHAIN",
        "START TRANSACTION READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "ALTER ROLE reader SET default_transaction_read_only = off",
        "LISTEN orders",
        "VACUUM orders",
        "",
        "-- nothing",
        "SELECT",
        "no SQL at all",
    ],
)
async def test_nothing_is_changed_or_read_elsewhere(server: Server, text: str) -> None:
    if text == "SELECT":
        assert (await postgres.query(server.address(), text, "csv")).rows == 1
    else:
        with pytest.raises(ServerFailed, match="The database says: "):
            await postgres.query(server.address(), text, "csv")
    assert server.says("SELECT count(*), (SELECT last_value FROM numbers) FROM orders") == "1000|1"
    assert server.says("SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader' AND state = 'active'") == "0"


async def test_what_a_read_only_transaction_lets_pass_is_not_kept(server: Server) -> None:
    await postgres.query(server.address(), "SELECT lo_from_bytea(0, 'x')", "csv")
    assert server.says("SELECT count(*) FROM pg_largeobject_metadata") == "0"


async def test_who_could_do_more_than_read_is_asked_nothing(server: Server) -> None:
    server.says(f"CREATE ROLE mighty LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
    for user, role in (("mighty", "mighty"), ("operator", "pg_read_server_files")):
        with pytest.raises(ConfigError, match=f"by the role '{role}'; state a role that is no superuser"):
            await postgres.query(server.address(user), "SELECT 1", "csv")


async def test_what_is_too_much_is_cut_off_and_said(server: Server) -> None:
    many = "SELECT * FROM generate_series(1, 100000000)"
    answer = await postgres.query(server.address(), many, "csv", Bounds(rows=10))
    assert (answer.rows, answer.whole) == (10, False)
    wide = await postgres.query(
        server.address(), "SELECT repeat('x', 400) FROM generate_series(1, 9)", "csv", Bounds(bytes=1_000)
    )
    assert (wide.rows, wide.whole) == (2, False)


async def test_what_takes_too_long_is_ended_by_the_database(server: Server) -> None:
    with pytest.raises(ServerFailed, match="statement timeout"):
        await postgres.query(server.address(), "SELECT pg_sleep(60)", "csv", Bounds(seconds=0.2))


async def test_a_database_that_is_not_there_or_refuses_is_one_sentence_without_a_password(server: Server) -> None:
    for address in (
        server.address(password="wrong-value-123456"),
        "postgresql://reader:wrong-value-123456@127.0.0.1:9/a",
    ):
        with pytest.raises(ServerFailed) as caught:
            await postgres.query(address, "SELECT 1", "csv")
        assert "wrong-value" not in str(caught.value) and "\n" not in str(caught.value)
