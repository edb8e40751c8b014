"""Which recorded rows of requests are predictions, and why the others are none; on DuckDB, which takes them in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
from decided import Decided, RefusedError, ask_of

SPEC = {"task": "classification", "target": "y", "entity": ["id", "part", "on"], "time": "at"}
FEATURES = [{"name": "x", "kind": "numeric"}, {"name": "z", "kind": "numeric"}]
TRAINED = "the version may have been trained on the row"
NO_MOMENT, TOO_LATE = "the time is no moment", "the time is more than a day after the request"
NO_KEY = "a column of the key is missing or of another type"
TABLES = ("requests", "late_split", "late_predictions")
BOTH = '{"x": 1, "z": null}'


@dataclass(frozen=True)
class Branch:
    connection: duckdb.DuckDBPyConnection
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
        self.connection.execute("create or replace table requests as select * from none_yet")
        row = ["r", 0, "late", 1, received, key, features, "true", 1.0, 0.9, None, 5.0, None, "champion"]
        self.connection.execute(f"insert into requests values ({', '.join('?' * len(row))})", row)
        query = call("judged_by_version", "late", version, *map(table, TABLES), "1 = 1")
        self.connection.execute("set timezone = 'America/New_York'")
        _, rows = ask_of(self.connection)(f"select entity, time, left_out, is_whole from ({query}) as judged")
        ((entity, time, left_out, is_whole),) = rows
        return entity, None if time is None else str(time), left_out, is_whole


@pytest.fixture(scope="module")
def branch() -> Iterator[Branch]:
    with duckdb.connect() as connection:
        connection.execute(
            "create table none_yet (request_id text, number int, model text, version int, received_at timestamp, "
            "key text, features text, prediction text, prediction_value double, probability double, "
            "not_scored_because text, latency_ms double, probabilities text, role text)"
        )
        connection.execute(
            'create table late_split (id bigint, part decimal(9, 2), "on" date, "at" timestamp, x double, z double, '
            "y boolean, ml_split text, ml_split_definition text)"
        )
        for number, outcome, place in (
            (1, "true", "train"),
            (2, "true", "test"),
            (3, "null", "score"),
            (4, "true", "train"),
        ):
            row = f"{number}, 1.5, '2024-01-31', '2024-05-01', 1, 2, {outcome}, '{place}', ''"
            connection.execute(f"insert into late_split values ({row})")
        connection.execute(
            'create table late_predictions as select \'["4","1.50","2024-01-31"]\' as entity, '
            "timestamp '2024-05-01' as time, 1 as version"
        )
        yield Branch(
            connection, Decided().of(ask_of(connection), "late_predictions", None, {**SPEC, "split": {"by": "hash"}})
        )


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


def test_columns_that_differ_only_in_case_are_refused(branch: Branch) -> None:
    with pytest.raises(RefusedError, match="differ only in upper and lower case cannot be read: a, A"):
        branch.macros.call("parsed", "key", ["a", "A"])
