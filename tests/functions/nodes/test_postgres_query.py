"""`postgres.query` against a real PostgreSQL, over TCP."""

import asyncio
from contextlib import suppress

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from functions.nodes.tool.core import ToolDeps, run
from shared.adapters.http.authorise import Requester
from shared.adapters.http.client import GuardedClient
from shared.connections.kinds import Bearer, Postgres, credentials_of
from shared.egress import EgressPolicy
from shared.errors import (
    AddressBlocked,
    ConnectionUnusable,
    DestinationRefused,
    DestinationTimeout,
    DestinationUnreachable,
    InvalidParameter,
    NodeConfigInvalid,
    ResponseTooLarge,
)
from tests.support.stage import free_port


async def _pipe(reader, writer):
    with suppress(ConnectionError, asyncio.CancelledError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
async def database(postgres_url):
    """The connection to a database whose server listens on a Unix socket alone, through a port on loopback."""
    url = make_url(postgres_url)
    path = f"{url.query['host']}/.s.PGSQL.{url.query.get('port') or url.port or 5432}"
    tasks = set()

    async def forward(reader, writer):
        tasks.add(asyncio.current_task())
        there, back = await asyncio.open_unix_connection(path)
        await asyncio.gather(_pipe(reader, back), _pipe(there, writer))

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS orders")
        connection.execute("CREATE TABLE orders (id int primary key, total numeric, note jsonb, at timestamptz)")
        connection.execute(
            "INSERT INTO orders VALUES (1, 9.50, '{\"a\": 1}', '2026-01-02T03:04:05Z'), (2, 20, null, null)"
        )
    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    fields = {"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1], "sslmode": "disable"}
    yield Postgres.model_validate(fields | {"database": url.database, "username": url.username})
    server.close()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def ask(node_call, database):
    async def _ask(sql, parameters=None, *, credentials=database, allowed="127.0.0.1", **arguments):
        given = {"sql": sql, "parameters": parameters or [], **arguments}
        async with GuardedClient(EgressPolicy.parse(allowed)) as client:
            call = node_call("tool", {"tool": "postgres.query", "arguments": given})
            return (await run(call, ToolDeps(Requester(client)), credentials=credentials)).output

    return _ask


def writing(database):
    return database.model_copy(update={"read_only": False})


async def test_rows_are_json(ask):
    found = await ask(
        "SELECT *, '\\xff'::bytea AS raw FROM orders WHERE note::text NOT LIKE '%x' OR id = 2 ORDER BY id"
    )
    assert found == {
        "rows": [
            {"id": 1, "total": "9.50", "note": {"a": 1}, "at": found["rows"][0]["at"], "raw": "/w=="},
            {"id": 2, "total": "20", "note": None, "at": None, "raw": "/w=="},
        ],
        "count": 2,
        "truncated": False,
    }
    assert found["rows"][0]["at"].startswith("2026-01-02T")


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT id FROM orders WHERE id = %s", [1]),
        ("SELECT id FROM orders WHERE id = %(id)s AND note = %(note)s", {"id": 1, "note": {"a": 1}}),
        ("SELECT id FROM orders WHERE id = ANY(%s)", [[1, 7]]),
    ],
)
async def test_values_are_parameters(ask, sql, parameters):
    assert (await ask(sql, parameters))["rows"] == [{"id": 1}]


async def test_a_value_is_never_part_of_the_statement(ask):
    assert (await ask("SELECT %s::text AS said", ["'; DROP TABLE orders; --"]))["rows"][0]["said"].startswith("';")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM orders",
        "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
        "COMMIT; DELETE FROM orders",
        "SELECT 1; DELETE FROM orders",
        "ROLLBACK; BEGIN READ WRITE; DELETE FROM orders; COMMIT",
        "DROP TABLE orders",
        "CREATE TABLE mine (id int)",
        "SELECT set_config('transaction_read_only', 'off', true) FROM orders; DELETE FROM orders",
    ],
)
async def test_nothing_is_written_unless_the_connection_allows_it(ask, sql):
    with pytest.raises(DestinationRefused):
        await ask(sql)
    assert (await ask("SELECT count(*) AS n FROM orders"))["rows"] == [{"n": 2}]


async def test_a_connection_that_may_write(ask, database):
    found = await ask("UPDATE orders SET total = 1 RETURNING id", credentials=writing(database))
    assert (found["count"], sorted(each["id"] for each in found["rows"])) == (2, [1, 2])
    assert (await ask("DELETE FROM orders WHERE id = 2", credentials=writing(database)))["count"] == 1
    assert (await ask("SELECT id, total FROM orders"))["rows"] == [{"id": 1, "total": "1"}]
    with pytest.raises(DestinationRefused, match="multiple commands"):
        await ask("DELETE FROM orders; DELETE FROM orders", credentials=writing(database))


async def test_rows_are_bounded_also_where_there_is_no_end_of_them(ask):
    found = await ask("SELECT generate_series(1, 1000000000) AS n", max_rows=3, timeout_seconds=20)
    assert (found["rows"], found["truncated"]) == ([{"n": 1}, {"n": 2}, {"n": 3}], True)
    with pytest.raises(ResponseTooLarge):
        await ask("SELECT repeat('x', 1000000) FROM generate_series(1, 20)")


async def test_time_is_bounded(ask):
    with pytest.raises(DestinationTimeout):
        await ask("SELECT pg_sleep(60)", timeout_seconds=1)


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [("SELEC 1", None), ("SELECT * FROM nothing", None), ("SELECT %s", [1, 2]), ("SELECT 1/0", None)],
)
async def test_a_wrong_statement_says_why(ask, sql, parameters):
    with pytest.raises(DestinationRefused):
        await ask(sql, parameters)


async def test_who_cannot_be_asked(ask, database):
    with pytest.raises(DestinationUnreachable):
        await ask("SELECT 1", credentials=database.model_copy(update={"port": free_port()}))
    with pytest.raises(ConnectionUnusable):
        await ask("SELECT 1", credentials=database.model_copy(update={"database": "nothing"}))
    with pytest.raises(ConnectionUnusable):
        await ask("SELECT 1", credentials=Bearer(token=SecretStr("x")))
    with pytest.raises(AddressBlocked):
        await ask("SELECT 1", allowed="")
    with pytest.raises(NodeConfigInvalid):
        await ask("")


async def test_tls_is_asked_for_unless_the_connection_says_otherwise(ask, database):
    with pytest.raises((ConnectionUnusable, DestinationUnreachable)):
        await ask("SELECT 1", credentials=database.model_copy(update={"sslmode": "verify-full"}))


@pytest.mark.parametrize("host", ["/tmp", "a,b", "@abstract", "../x"])
def test_a_socket_of_this_machine_is_no_host(host):
    with pytest.raises(InvalidParameter):
        credentials_of({"kind": "postgres", "host": host, "database": "d", "username": "u"})


async def test_a_connection_to_a_database_is_tested(node_call, database):
    async with GuardedClient(EgressPolicy.parse("127.0.0.1")) as client:
        call = node_call("tool", {"tool": "connection.test", "arguments": {}})
        works = await run(call, ToolDeps(Requester(client)), credentials=database)
        unknown = database.model_copy(update={"database": "nowhere"})
        with pytest.raises(ConnectionUnusable, match="nowhere"):
            await run(call, ToolDeps(Requester(client)), credentials=unknown)

    assert works.output == {"kind": "postgres", "checked": f"asked the database {database.database} at 127.0.0.1"}
