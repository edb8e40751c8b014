"""Which recorded rows of requests are predictions, and why the others are none; on the engines that take them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from decided import Ask, Decided, RefusedError, ask_of
from postgres import Postgres
from sqlglot import exp

SPEC = {"task": "classification", "target": "y", "entity": ["id", "part", "on"], "time": "at"}
FEATURES = [{"name": "x", "kind": "numeric"}, {"name": "z", "kind": "numeric"}]
TRAINED = "the version may have been trained on the row"
NO_MOMENT, TOO_LATE = "the time is no moment", "the time is more than a day after the request"
NO_KEY = "a column of the key is missing or of another type"
TABLES = ("requests", "late_split", "late_predictions")
BOTH = '{"x": 1, "z": null}'


@dataclass(frozen=True)
class Branch:
    ask: Ask
    run: Callable[[str], Any]
    macros: Decided

    def judged(
        self, key: str | None, features: str = BOTH, holdout: str | None = None, received: str = "2024-05-02 12:00:00"
    ) -> tuple[Any, ...]:
        """Give entity, time, why it is left out, and whether it is whole of one recorded row."""
        call, table = self.macros.call, self.macros.table
        version = {
            "number": 1,
            "spec": call("read_spec", "late_training", {**SPEC, "split": {"by": "hash"} if holdout is None else {}}),
            "features": FEATURES,
            "holdout_from": holdout,
        }
        self.run("delete from requests")
        row = ["r", 0, "late", 1, received, key, features, "true", 1.0, 0.9, None, 5.0, None, "champion"]
        self.run(f"insert into requests values ({', '.join(exp.convert(each).sql() for each in row)})")
        query = call("judged_by_version", "late", version, *map(table, TABLES), "1 = 1")
        _, rows = self.ask(f"select entity, time, left_out, is_whole from ({query}) as judged")
        ((entity, time, left_out, is_whole),) = rows
        return entity, None if time is None else str(time), left_out, is_whole


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def branch(request: pytest.FixtureRequest) -> Iterator[Branch]:
    if request.param == "duckdb":
        with duckdb.connect() as connection:
            yield made(ask_of(connection), connection.execute, Decided())
        return
    server: Postgres = request.getfixturevalue("server")
    cursor = server.connection.cursor()

    def ask(query: str) -> tuple[Sequence[str], Sequence[tuple[Any, ...]]]:
        cursor.execute(query)
        return [each[0] for each in cursor.description or ()], cursor.fetchall()

    yield made(ask, cursor.execute, Decided("postgres", "postgres", "public"))


def made(ask: Ask, run: Callable[[str], Any], macros: Decided) -> Branch:
    """Make the tables of a branch, and read them on another clock than UTC."""
    run(
        "create table requests (request_id text, number int, model text, version int, received_at timestamp, "
        "key text, features text, prediction text, prediction_value double precision, probability double precision, "
        "not_scored_because text, latency_ms double precision, probabilities text, role text)"
    )
    run(
        'create table late_split (id bigint, part decimal(9, 2), "on" date, "at" timestamp, x double precision, '
        "z double precision, y boolean, ml_split text, ml_split_definition text)"
    )
    for number, outcome, place in (
        (1, "true", "train"),
        (2, "true", "test"),
        (3, "null", "score"),
        (4, "true", "train"),
    ):
        row = f"{number}, 1.5, '2024-01-31', '2024-05-01', 1, 2, {outcome}, '{place}', ''"
        run(f"insert into late_split values ({row})")
    run(
        'create table late_predictions as select cast(\'["4","1.50","2024-01-31"]\' as text) as entity, '
        "timestamp '2024-05-01' as time, 1 as version"
    )
    run("set timezone = 'America/New_York'")
    return Branch(ask, run, macros.of(ask, "late_predictions", None, {**SPEC, "split": {"by": "hash"}}))


def key(number: Any = 5, at: str = "2024-05-01T00:00:00Z", part: Any = 1.5, on: str = "2024-01-31") -> str:
    written = [f'"{each}"' if isinstance(each, str) else str(each) for each in (number, part)]
    return f'{{"id": {written[0]}, "part": {written[1]}, "on": "{on}", "at": "{at}"}}'


@pytest.mark.parametrize(
    ("found", "time"),
    [
        (key(), "2024-05-01 00:00:00"),
        (key("05", part="1.50"), "2024-05-01 00:00:00"),
        (key(5.0), "2024-05-01 00:00:00"),
        (key(at="2024-05-01"), "2024-05-01 00:00:00"),
        (key(at="2024-05-01 00:00"), "2024-05-01 00:00:00"),
        (key(at="2024-05-01T02:30:00.25+02:00"), "2024-05-01 00:30:00.250000"),
        (key(at="2024-04-30T19:00:00-0500"), "2024-05-01 00:00:00"),
        (key(at="2024-05-03T11:00:00"), "2024-05-03 11:00:00"),
        ('{"id": 5, "part": 1.5, "on": "2024-01-31"}', "2024-05-02 12:00:00"),
    ],
)
def test_a_key_is_the_text_that_a_build_writes(found: str, time: str, branch: Branch) -> None:
    assert branch.judged(found) == ('["5","1.50","2024-01-31"]', time, None, True)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (None, NO_KEY),
        ('{"id": 5, "on": "2024-01-31", "at": "2024-05-01"}', NO_KEY),
        (key(5.5), NO_KEY),
        (key("five"), NO_KEY),
        (key(on="infinity"), NO_KEY),
        (key(on="epoch"), NO_KEY),
        (key(on="2024-02-30"), NO_KEY),
        (key(2**63), NO_KEY),
        (key("9" * 400), NO_KEY),
        (key(part=1e8), NO_KEY),
        (key(at="2023-02-29T00:00"), NO_MOMENT),
        *((key(at=text), NO_MOMENT) for text in ("infinity", "-infinity", "epoch", "now", "2024-05-01T25:00")),
        (key(at="2024-05-01T00:00:00 Europe/Paris"), NO_MOMENT),
        (key(at="9999-12-31T00:00:00"), TOO_LATE),
        (key(at="2024-05-03T12:00:01"), TOO_LATE),
    ],
)
def test_what_is_no_key_or_no_moment_is_left_out(found: str | None, why: str, branch: Branch) -> None:
    assert branch.judged(found)[2] == why


@pytest.mark.parametrize(("number", "why"), [(1, TRAINED), (2, None), (3, None), (4, None), (5, None)])
def test_a_row_that_the_predictions_have_stays_when_its_outcome_is_known(
    number: int, why: str | None, branch: Branch
) -> None:
    """The fourth is a row of the training by now, as the first, but was taken in before."""
    assert branch.judged(key(number))[2] == why


@pytest.mark.parametrize(
    ("number", "holdout", "why"),
    [
        (1, "2024-05-01 00:00:00", None),
        (1, "2024-05-01 00:00:01", TRAINED),
        (3, "2024-05-02 00:00:00", None),
        (4, "2024-05-02 00:00:00", None),
        (5, "2024-05-02 00:00:00", TRAINED),
    ],
)
def test_by_time_a_row_is_new_from_the_first_test_row_on(
    number: int, holdout: str, why: str | None, branch: Branch
) -> None:
    assert branch.judged(key(number), holdout=holdout)[2] == why


def test_a_row_is_whole_only_with_every_feature(branch: Branch) -> None:
    assert [branch.judged(key(), features)[3] for features in (BOTH, '{"x": 1}', "{}")] == [True, False, False]


def test_what_is_built_elsewhere_is_found_there(branch: Branch) -> None:
    """With `--defer`, the model of requests may be in production's schema only."""
    nodes = branch.macros.names["graph"].nodes
    node = {"resource_type": "model", "name": "asked", "alias": "asked", **branch.macros.location}
    nodes["asked"] = {**node, "defer_relation": None}
    assert branch.macros.call("relation_of", "asked") is None
    nodes["asked"] = {**node, "defer_relation": {**branch.macros.location, "alias": "requests"}}
    assert branch.macros.call("relation_of", "asked").identifier == "requests"


TEXTS = (
    *(
        "",
        " ",
        "x",
        "true",
        "0",
        "-0",
        "5",
        "05",
        "-5.0",
        "5.5",
        "1.005",
        "1e2",
        "1e-400",
        "1e400",
        "9" * 400,
        "3.5e38",
        "1e-46",
    ),
    *(
        "2147483648",
        "9223372036854775807",
        "9223372036854775808",
        "99999999.99",
        "99999999.995",
        "NaN",
        "infinity",
        "epoch",
    ),
    *(
        "2024-02-29",
        "2023-02-29",
        "0000-01-01",
        "2024-13-01",
        "2024-01-00",
        "2024-2-3",
        "2024-01-31 ",
        "2024-01-31T00:00",
    ),
    *("2024-01-31T23:59:59.999999Z", "2024-01-31T24:00", "2024-01-31T00:00+99:00", "2024-01-31 00:00 Europe/Paris"),
    *("6f1b2a52-0d5c-4b8e-9a3e-1d2c3b4a5f6e", "6f1b2a520d5c4b8e9a3e1d2c3b4a5f6", "{}", "\ufffd"),
)
VALUES = {
    "integer": {"0": 0, "-0": 0, "5": 5, "05": 5, "-5.0": -5, "1e2": 100},
    "bigint": {"2147483648": 2**31, "9223372036854775807": 2**63 - 1, "-5.0": -5},
    "double precision": {"1.005": 1.005, "1e-400": 0.0, "5": 5.0, "3.5e38": 3.5e38},
    "real": {"1e-46": 0.0, "5.5": 5.5, "3.5e38": None},
    "numeric(10,2)": {
        "1.005": Decimal("1.01"),
        "99999999.99": Decimal("99999999.99"),
        "99999999.995": None,
        "5": Decimal(5),
    },
    "numeric": {"1.005": Decimal("1.005")},
    "boolean": {"true": True, "0": False, "5": None},
    "date": {"2024-02-29": date(2024, 2, 29), "2024-01-31T00:00": None, "2024-01-31 ": None},
    "timestamp without time zone": {"2024-01-31T23:59:59.999999Z": datetime(2024, 1, 31, 23, 59, 59, 999999)},
    "timestamp with time zone": {"2024-02-29": datetime(2024, 2, 29, tzinfo=UTC)},
    "uuid": {"6f1b2a52-0d5c-4b8e-9a3e-1d2c3b4a5f6e": "6f1b2a52-0d5c-4b8e-9a3e-1d2c3b4a5f6e"},
    "json": {},
}


@pytest.mark.parametrize("type_", VALUES)
def test_no_text_ends_a_statement_of_a_server(type_: str, server: Postgres) -> None:
    """Where a cast that fails is an error, what is none of a type is NULL all the same."""
    typed = Decided("postgres").call("typed", "given", type_)
    rows = ", ".join(f"({exp.convert(each).sql()})" for each in TEXTS)
    found = dict(server.rows(f"select given, {typed} from (values {rows}) as texts (given)"))
    assert {text: found[text] for text in VALUES[type_]} == VALUES[type_]


def test_columns_that_differ_only_in_case_are_refused(branch: Branch) -> None:
    if branch.macros.engine.name != "duckdb":
        pytest.skip("the names of JSON differ by case here")
    with pytest.raises(RefusedError, match="differ only in upper and lower case cannot be read: a, A"):
        branch.macros.call("parsed", "key", ["a", "A"])


def test_a_name_that_leaves_no_room_for_the_table_beside_it_is_refused() -> None:
    """PostgreSQL would cut it off, and nothing would be found under it."""
    macros = Decided("postgres", "postgres", "public").of(lambda _: ([], []), "asked" + 50 * "_", None, SPEC)
    with pytest.raises(RefusedError, match=r"loaded into a table 'asked_+recorded', and names here have 63 characters"):
        macros.call("recorded_requests", "requests")
