"""Requests by key over what a branch publishes: the features of a key, moments and limits, and what is refused."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from branch import NAME, Branch
from postgres import Postgres
from serving import TYPED, publish, rows_of, served_branch
from sqlglot import exp
from starlette.testclient import TestClient

from mlbridge.engines.reader import ReadError
from mlbridge.engines.warehouse import Warehouse
from mlbridge.publication import online as published
from mlbridge.publication.folder import CURRENT, current_build
from mlbridge.publication.online import OnlineFeatures, View, key_text, publish_online, read_index
from mlbridge.publication.publish import publish_beside
from mlbridge.publication.versions import publish_versions
from mlbridge.serving import features
from mlbridge.serving.app import create_app
from mlbridge.serving.inputs import Problem
from mlbridge.serving.online import OnlineTable
from mlbridge.serving.publishing import background_of
from mlbridge.serving.state import Versions

# What the view `facts` has of a key: all features but two, which a request gives.
GIVEN = ("x", "carrier")
FOUND = [name for name in TYPED if name not in GIVEN]
FACTS, SHOPS = "model.host.facts", "source.host.raw.shops"
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def branch() -> Branch:
    branch = served_branch()
    facts = ", ".join(f'"{name}"' for name in FOUND)
    branch.execute(
        f"create table facts as select id as who, cast(i % 3 as smallint) as shop, timestamp '2024-03-01 10:00:00' as "
        f"happened, timestamp '2024-03-01 11:00:00' as told, {facts} from (select row_number() over (order by id) - 1 "
        f"as i, * from {NAME}_split)"
    )
    return branch


def ask(**limits: str | None) -> OnlineFeatures:
    return OnlineFeatures(FACTS, {"who": "id", "shop": "shop"}, {name: name for name in FOUND}, **limits)


def publish_facts(branch: Branch, folder: Path, *asked: OnlineFeatures, known_at: str | None = "told") -> Path:
    """Publish a build with the version in use and the online table; gives its folder."""
    place = publish(branch, folder)
    view = View("facts", ("memory", "main", "facts"), ["who", "shop"], "happened", known_at)
    publish_online(Warehouse(branch.connection), {FACTS: view}, {NAME: list(asked)}, place, None)
    return place


def served(folder: Path) -> TestClient:
    versions = Versions(folder)
    versions.refresh()
    assert versions.problem is None
    return TestClient(create_app(versions), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def folder(branch: Branch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("online") / "dev"
    publish_facts(branch, folder, ask())
    return folder


@pytest.fixture
def client(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(features, "now", lambda: at(NOON))
    with served(folder) as client:
        yield client


def at(moment: datetime) -> int:
    return round(moment.timestamp() * 1e6)


def asked_of(branch: Branch, count: int = 30) -> tuple[list[Any], list[Any], list[Any]]:
    """Give keys, the rows to go with them, and the same as whole rows."""
    whole = [{name: value for name, value in row.items() if name != "at"} for row in rows_of(branch)[:count]]
    places = branch.rows("select who, shop from facts")
    shop = {each["who"]: each["shop"] for each in places}
    keys = [{"id": row["id"], "shop": shop[row["id"]]} for row in whole]
    return keys, [{name: row[name] for name in GIVEN} for row in whole], whole


def predict(client: TestClient, **body: Any) -> Any:
    return client.post(f"/predict/{NAME}", json=body)


def test_a_key_gives_what_the_whole_row_gives(client: TestClient, branch: Branch) -> None:
    keys, rows, whole = asked_of(branch, 440)
    answer = predict(client, keys=keys, rows=rows)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == predict(client, rows=whole).json()["predictions"]
    explained = predict(client, keys=keys[:2], rows=rows[:2], explain=True).json()["predictions"]
    assert explained == predict(client, rows=whole[:2], explain=True).json()["predictions"]


def test_tensors_of_a_key(client: TestClient, branch: Branch) -> None:
    keys, rows, whole = asked_of(branch)
    types = {"id": "BYTES", "shop": "INT64", "x": "FP64", "carrier": "BYTES"}
    both = [{**key, **row} for key, row in zip(keys, rows, strict=True)]
    inputs = [
        {"name": name, "shape": [len(both)], "datatype": kind, "data": [row[name] for row in both]}
        for name, kind in types.items()
    ]
    answer = client.post(f"/v2/models/{NAME}/infer", json={"inputs": inputs}).json()
    (found,) = (each["data"] for each in answer["outputs"] if each["name"] == "probability")
    expected = predict(client, rows=whole).json()["predictions"]
    assert found == [each["probability"] for each in expected]
    lacking = client.post(f"/v2/models/{NAME}/infer", json={"inputs": inputs[2:]})
    assert lacking.status_code == 422
    assert "'whole' is missing" in lacking.json()["error"]


def test_given_values_win(client: TestClient, branch: Branch) -> None:
    keys, rows, whole = asked_of(branch, 5)
    changed = [{**row, "small": 100.0, "gaps": None} for row in rows]
    expected = predict(client, rows=[{**row, "small": 100.0, "gaps": None} for row in whole]).json()
    assert predict(client, keys=keys, rows=changed).json()["predictions"] == expected["predictions"]
    # Where all that a table gives is given, its key is not needed.
    assert predict(client, keys=[{}] * 5, rows=whole).status_code == 200


@pytest.mark.parametrize(
    ("keys", "rows", "problem"),
    [
        ([{"id": "k0"}], [{}], "row 0: 'shop' is missing in the key; by it 'facts' gives 'whole', 'flag', 'day'"),
        ([{"id": None, "shop": 0}], [{}], "row 0: 'id' is null; a key needs a value"),
        ([{"id": 7, "shop": 0}], [{}], "row 0: 'id' is 7; expected a text"),
        ([{"id": "k0", "shop": "0"}], [{}], "row 0: 'shop' is \"0\"; expected a whole number"),
        ([{"id": "k0", "shop": 0.0}], [{}], "row 0: 'shop' is 0.0; expected a whole number"),
        ([{"id": "k0", "shop": True}], [{}], "row 0: 'shop' is true; expected a whole number"),
        (
            [{"id": "nobody", "shop": 0}],
            [{}],
            "'id' is \"nobody\", 0, for which 'facts' has no row; so 'whole', 'flag'",
        ),
        ([{"idd": "k0"}], [{}], "row 0: 'idd' is no column of a key. Known: 'id', 'shop', 'at'"),
        (["k0"], [{}], "row 0: 'keys' is \"k0\"; a key is an object of values by column: 'id', 'shop'"),
        ([{"id": "k0", "shop": 0}], [{"id": "other"}], 'row 0: \'id\' is "k0" in the key and "other" in the row'),
        ([{"id": "k0", "shop": 0}], ["x"], "row 0: 'rows' is \"x\"; a row is an object of values by feature"),
        ([{"id": "k0", "shop": 0, "at": "noon"}], [{}], "row 0: 'at' is \"noon\"; expected a moment such as"),
        ([{"id": "k0", "shop": 0}], [{}, {}], "there are 1 `keys` and 2 `rows`; give one key for each row."),
        ([], None, "there is no row."),
        ([{}] * 10_001, None, "10,001 rows are more than 10,000"),
        ({"id": "k0"}, None, "`rows` is missing; the body is"),
    ],
)
def test_what_is_wrong_is_said(client: TestClient, keys: Any, rows: Any, problem: str) -> None:
    answer = predict(client, keys=keys, **({} if rows is None else {"rows": rows}))
    assert answer.status_code in (413, 422)
    assert problem in answer.json()["error"]


def test_keys_that_are_not_found_are_counted(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    """All of them, also where no more are named; the log has their number and no key."""

    def counted() -> float:
        found = re.search(r'^mlbridge_online_not_found_total\{view="facts"\} (.*)$', client.get("/metrics").text, re.M)
        return 0 if found is None else float(found[1])

    before = counted()
    answer = predict(
        client, keys=[{"id": f"nobody {number}", "shop": 0} for number in range(50)] + [{"id": "k0", "shop": 0}]
    )
    assert answer.status_code == 422
    assert counted() == before + 50


def test_features_that_no_table_gives_are_named(client: TestClient, branch: Branch) -> None:
    keys, _, _ = asked_of(branch, 1)
    answer = predict(client, keys=keys).json()
    assert [each["feature"] for each in answer["problems"]] == list(GIVEN)
    assert "row 0: 'x' is missing" in answer["error"]


def test_a_model_without_online_features(branch: Branch, tmp_path: Path) -> None:
    publish(branch, tmp_path / "dev")
    with served(tmp_path / "dev") as client:
        answer = predict(client, keys=[{"id": "k0"}])
    assert (answer.status_code, answer.json()["error"]) == (
        422, f"'{NAME}' has no features of online views, so `keys` find none; give `rows`."
    )  # fmt: skip


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("limits", "moment", "refused"),
    [
        # It happened at 10 and was known at 11.
        ({}, NOON - HOUR, None),
        ({}, NOON - HOUR - timedelta(microseconds=1), "counts from 2024-03-01T11:00:00 on"),
        ({"embargo": "1 hour"}, NOON, None),
        ({"embargo": "1 hour"}, NOON - timedelta(microseconds=1), "counts from 2024-03-01T12:00:00 on"),
        ({"max_staleness": "60 minutes"}, NOON, None),
        ({"max_staleness": "60 minutes"}, NOON + timedelta(microseconds=1), "beyond max_staleness (60 minutes)"),
        ({"look_back": "2 hours"}, NOON, None),
        ({"look_back": "2 hours"}, NOON + timedelta(microseconds=1), "beyond look_back (2 hours)"),
    ],
)
def test_the_limits_of_the_call_hold_at_the_moment(
    branch: Branch, tmp_path: Path, limits: dict[str, str], moment: datetime, refused: str | None
) -> None:
    """The SQL of `point_in_time` has the same ends: tests/engines/test_feature_views.py."""
    publish_facts(branch, tmp_path / "dev", ask(**limits))
    keys, rows, _ = asked_of(branch, 1)
    keys[0]["at"] = moment.replace(tzinfo=None).isoformat()
    with served(tmp_path / "dev") as client:
        answer = predict(client, keys=keys, rows=rows)
    assert answer.status_code == (200 if refused is None else 422), answer.text
    assert refused is None or refused in answer.json()["error"]


def test_a_table_that_is_not_there_is_said(branch: Branch, tmp_path: Path) -> None:
    place = publish(branch, tmp_path / "dev")
    view = View("facts", ("memory", "main", "not_built"), ["who", "shop"], "happened", None)
    publish_online(Warehouse(branch.connection), {FACTS: view}, {NAME: [ask()]}, place, None)
    assert "not built yet" in read_index(place)[0][FACTS]["failed"]
    keys, rows, whole = asked_of(branch, 1)
    with served(tmp_path / "dev") as client:
        answer = predict(client, keys=keys, rows=rows)
        assert answer.status_code == 503
        assert "the online table of 'facts' was not published, so 'whole'" in answer.json()["error"]
        assert predict(client, rows=whole).status_code == 200


def test_a_damaged_table_takes_nothing_with_it(branch: Branch, tmp_path: Path) -> None:
    folder = tmp_path / "dev"
    versions = Versions(folder)
    keys, rows, whole = asked_of(branch, 1)
    file = published.file_of(publish_facts(branch, folder, ask()), FACTS)
    content = file.read_bytes()
    for damaged in (None, b"", b"no table", content[: len(content) // 2]):
        file = published.file_of(publish_facts(branch, folder, ask()), FACTS)
        file.unlink()
        if damaged is not None:
            file.write_bytes(damaged)
        assert versions.refresh()
        assert (versions.problem, versions.is_ready) == (None, True)
        with TestClient(create_app(versions)) as client:
            refused = predict(client, keys=keys, rows=rows)
            assert (refused.status_code, predict(client, rows=whole).status_code) == (503, 200)
            (said,) = client.get("/v2/health/ready").json()["not_online"].values()
            (described,) = client.get(f"/v2/models/{NAME}").json()["parameters"]["online"]
        assert (described["published"], described["problem"]) == (False, said)
        assert said in refused.json()["error"]


@pytest.mark.parametrize("damaged", ["", "[]", '{"format": 2}', '{"format": 1}', '{"format": 1, "tables": 1}'])
def test_a_damaged_index_takes_nothing_with_it(branch: Branch, tmp_path: Path, damaged: str) -> None:
    """The versions are served, and the next build writes the index anew."""
    folder = tmp_path / "dev"
    place = publish_facts(branch, folder, ask())
    (place / published.INDEX).write_text(damaged)
    keys, rows, whole = asked_of(branch, 1)
    with served(folder) as client:
        assert predict(client, rows=whole).status_code == 200
        refused = predict(client, keys=keys, rows=rows)
        ready = client.get("/v2/health/ready").json()
    assert refused.status_code == 503
    assert ready["online_problem"] in refused.json()["error"]
    view = View("facts", ("memory", "main", "facts"), ["who", "shop"], "happened", "told")
    again = publish(branch, folder)
    publish_online(Warehouse(branch.connection), {FACTS: view}, {NAME: [ask()]}, again, place)
    assert set(read_index(again)[0]) == {FACTS}


def test_a_table_that_cannot_be_written_takes_nothing_with_it(branch: Branch, tmp_path: Path) -> None:
    """Two rows have one key; another view's id has what no file name has; a feature's column is gone from a third."""
    branch.execute("create or replace table twice as select * from facts union all select * from facts")
    views = {
        id_: View(name, ("memory", "main", name), ["who", "shop"], "happened", "told")
        for id_, name in ((FACTS, "facts"), ("source.host.raw.../a/b", "facts"), ("model.host.twice", "twice"))
    }
    asked = [OnlineFeatures(id_, {"who": "id", "shop": "shop"}, {"v": "small"}) for id_ in views]
    gone = OnlineFeatures(FACTS, {"who": "id", "shop": "shop"}, {"v": "small", "w": "gone"})
    place = tmp_path / "place"
    place.mkdir()
    publish_online(Warehouse(branch.connection), views, {"m": asked, "n": [gone]}, place, None)
    tables, models = read_index(place)
    assert [id_ for id_, each in tables.items() if "failed" in each] == ["model.host.twice"]
    assert "UNIQUE" in tables["model.host.twice"]["failed"]
    assert sorted(each.name for each in tmp_path.rglob("*.online")) == [
        "model.host.facts.online", "source.host.raw...%2Fa%2Fb.online"
    ]  # fmt: skip
    assert models == {"m": asked, "n": [asked[0]]}
    id_ = "source.host.raw.../a/b"
    assert OnlineTable(published.file_of(place, id_), tables[id_]).rows([key_text(["k0", "0"])], ["small"]) != [None]


def test_what_has_always_been_so_counts(branch: Branch, tmp_path: Path) -> None:
    place = publish(branch, tmp_path / "dev")
    branch.execute(
        "create or replace table always as select * replace (timestamp '-infinity' as happened, "
        "timestamp '-infinity' as told) from facts"
    )
    view = View("always", ("memory", "main", "always"), ["who", "shop"], "happened", "told")
    keys, rows, _ = asked_of(branch, 1)
    for limits, status in (({}, 200), ({"embargo": "1 hour"}, 200), ({"max_staleness": "60 minutes"}, 422)):
        publish_online(Warehouse(branch.connection), {FACTS: view}, {NAME: [ask(**limits)]}, place, None)
        with served(tmp_path / "dev") as client:
            answer = predict(client, keys=keys, rows=rows)
            (described,) = client.get(f"/v2/models/{NAME}").json()["parameters"]["online"]
        assert answer.status_code == status, answer.text
        assert described["known_at"] == "before the year 1"
        published.file_of(place, FACTS).unlink()
    assert "became known at before the year 1" in answer.json()["error"]


class Counted(Versions):
    """Counts how often the state is taken."""

    taken = 0

    def __getattribute__(self, name: str) -> Any:
        """Count the state."""
        if name == "state":
            Counted.taken += 1
        return super().__getattribute__(name)


def test_a_request_is_answered_from_one_build(branch: Branch, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "now", lambda: at(NOON))
    versions = Counted(folder)
    versions.refresh()
    client = TestClient(create_app(versions))
    keys, rows, _ = asked_of(branch, 1)
    before = Counted.taken
    assert predict(client, keys=keys, rows=rows).status_code == 200
    assert Counted.taken == before + 1
    assert client.get(f"/v2/models/{NAME}").status_code == 200
    assert Counted.taken == before + 2


@pytest.mark.parametrize("key", [{"id": "k0"}, {"id": "nobody", "shop": 0}, {"idd": 1}, {"id": "k0", "at": "noon"}])
def test_of_many_wrong_keys_no_more_are_looked_at_than_are_shown(
    client: TestClient, key: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Problem] = []

    class Made(Problem):
        def __post_init__(self) -> None:
            made.append(self)

    monkeypatch.setattr(features, "Problem", Made)
    answer = predict(client, keys=[key] * 5_000)
    assert len(answer.json()["problems"]) == 10
    assert len(made) < 30


def test_what_has_not_changed_is_not_written_again(branch: Branch, tmp_path: Path) -> None:
    folder = tmp_path / "dev"
    view = View("facts", ("memory", "main", "facts"), ["who", "shop"], "happened", "told")

    def build() -> Path:
        place = publish(branch, folder)
        former = places[-1] if places else None
        publish_online(Warehouse(branch.connection), {FACTS: view}, {NAME: [ask()]}, place, former)
        return published.file_of(place, FACTS)

    places: list[Path] = []
    first = build()
    places.append(first.parent)
    second = build()
    assert second.samefile(first)
    places.append(second.parent)
    branch.execute("begin")
    branch.execute("update facts set small = small + 1 where who = 'k3'")
    assert not build().samefile(second)
    branch.execute("rollback")


def test_how_old_a_table_is(client: TestClient) -> None:
    (facts,) = client.get(f"/v2/models/{NAME}").json()["parameters"]["online"]
    assert facts["view"] == "facts"
    assert facts["known_at"] == "2024-03-01T11:00:00Z"
    assert facts["age_seconds"] == pytest.approx(time.time() - datetime(2024, 3, 1, 11, tzinfo=UTC).timestamp(), abs=60)
    metrics = client.get("/metrics").text
    assert 'mlbridge_online_known_at_seconds{view="facts"} 1.7092908e+09' in metrics
    assert 'mlbridge_online_published_at_seconds{view="facts"}' in metrics


def test_the_document_says_what_a_key_is(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()["paths"][f"/predict/{NAME}"]["post"]["requestBody"]
    properties = schema["content"]["application/json"]["schema"]["properties"]
    assert set(properties["keys"]["items"]["properties"]) == {"id", "shop", "at"}
    assert properties["rows"]["items"]["required"] == list(GIVEN)


def test_every_key_is_found_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of every kind, written in pieces of a few rows."""
    monkeypatch.setattr(published, "ROWS", 2_048)
    texts = ["", "a", "1:a", "ä" * 400, "\x00", "'; drop table t; --", *(f"k{number}" for number in range(6_000))]
    with duckdb.connect() as connection:
        connection.execute("create table shops as select unnest(?) as shop, timestamp '2024-01-01' as seen", [texts])
        connection.execute('alter table shops add column "the ""place""" bigint')
        connection.execute('update shops set "the ""place""" = rowid')
        view = View("shops", ("memory", "main", "shops"), ["shop"], "seen", None)
        wanted = OnlineFeatures(SHOPS, {"shop": "shop"}, {"place": 'the "place"'})
        publish_online(Warehouse(connection), {SHOPS: view}, {"m": [wanted]}, tmp_path, None)
    table = OnlineTable(published.file_of(tmp_path, SHOPS), read_index(tmp_path)[0][SHOPS])
    mixed = [each for text in texts for each in (text, f"{text}!")]
    found = table.rows([key_text([text]) for text in mixed], ['the "place"'])
    assert [None if each is None else texts[each[2]] for each in found] == [
        text if text in set(texts) else None for text in mixed
    ]


@pytest.mark.parametrize(
    ("type_", "values", "expected"),
    [
        ("ubigint", ["0", str(2**64 - 1)], [0, float(2**64)]),
        ("hugeint", [str(-(2**70))], [-(2.0**70)]),
        ("bigint", [str(2**63 - 1), None], [2**63 - 1, None]),
        ("double", ["nan", "0.1", None], [None, 0.1, None]),
        ("float", ["0.1"], [float(np.float32(0.1))]),
        ("decimal(9, 3)", ["12.345"], [12.345]),
        ("boolean", ["true", "false", None], [True, False, None]),
        ("date", ["2024-02-29", None], ["2024-02-29", None]),
        ("timestamp", ["2024-02-29 12:00:00.25", None], ["2024-02-29T12:00:00.250000", None]),
        ("timestamp", ["infinity", "-infinity"], ["after the year 9999", "before the year 1"]),
        ("timestamptz", ["2024-02-29 12:00:00+02"], ["2024-02-29T10:00:00Z"]),
        ("varchar", ["", "ä\x00"], ["", "ä\x00"]),
    ],
)
def test_values_are_those_that_a_client_would_give(
    tmp_path: Path, type_: str, values: list[Any], expected: list[Any]
) -> None:
    with duckdb.connect() as connection:
        connection.execute("create table shops (shop bigint, seen timestamp, v varchar)")
        rows = [(number, NOON.replace(tzinfo=None), value) for number, value in enumerate(values)]
        connection.executemany("insert into shops values (?, ?, ?)", rows)
        connection.execute(f"alter table shops alter v type {type_}")
        view = View("shops", ("memory", "main", "shops"), ["shop"], "seen", None)
        wanted = OnlineFeatures(SHOPS, {"shop": "shop"}, {"v": "v"})
        publish_online(Warehouse(connection), {SHOPS: view}, {"m": [wanted]}, tmp_path, None)
    table = OnlineTable(published.file_of(tmp_path, SHOPS), read_index(tmp_path)[0][SHOPS])
    found = table.rows([key_text([str(number)]) for number in range(len(values))], ["v"])
    assert [each and each[2] for each in found] == expected


@pytest.mark.parametrize(
    ("type_", "values", "expected"),
    [
        ("bigint", [str(2**63 - 1), None], [2**63 - 1, None]),
        ("double precision", ["nan", "0.1", None], [None, 0.1, None]),
        ("real", ["0.1"], [float(np.float32(0.1))]),
        ("numeric(9, 3)", ["12.345"], [12.345]),
        ("boolean", ["true", "false", None], [True, False, None]),
        ("date", ["2024-02-29", None], ["2024-02-29", None]),
        ("timestamp", ["2024-02-29 12:00:00.25", None], ["2024-02-29T12:00:00.250000", None]),
        ("timestamp", ["infinity", "-infinity"], ["after the year 9999", "before the year 1"]),
        ("timestamptz", ["2024-02-29 12:00:00+02"], ["2024-02-29T10:00:00Z"]),
        ("text", ["", "ä,\n\"'%s", None], ["", "ä,\n\"'%s", None]),
    ],
)
def test_a_server_gives_the_same_values(
    tmp_path: Path, server: Postgres, type_: str, values: list[Any], expected: list[Any]
) -> None:
    """A key of three columns; what is published again is taken over until a value changes."""
    moment = "2024-03-01 11:00:00+02"
    with server.connection.cursor() as cursor:
        cursor.execute("set timezone = 'America/New_York'")
        cursor.execute("drop table if exists shops")
        cursor.execute(f"create table shops (shop bigint, day date, is_open boolean, seen timestamptz, v {type_})")
        rows = [(number, moment, value) for number, value in enumerate(values)]
        cursor.executemany("insert into shops values (%s, '2024-01-31', true, %s, %s)", rows)
    view = View("shops", ("postgres", "public", "shops"), ["shop", "day", "is_open"], "seen", None)
    wanted = OnlineFeatures(SHOPS, {name: name for name in view.entity}, {"v": "v"})
    places = [tmp_path / name for name in ("first", "second", "third")]
    for place, former in zip(places, [None, *places], strict=False):
        place.mkdir()
        if place.name == "third":
            server.connection.cursor().execute("update shops set seen = seen - interval '1 day' where shop = 0")
        publish_online(server.warehouse(), {SHOPS: view}, {"m": [wanted]}, place, former)
    files = [published.file_of(place, SHOPS) for place in places]
    entry = read_index(places[0])[0][SHOPS]
    assert entry["known_at"] == datetime.fromisoformat(f"{moment}:00").timestamp() * 1e6
    found = OnlineTable(files[0], entry).rows(
        [key_text([str(i), "2024-01-31", "true"]) for i in range(len(values))], ["v"]
    )
    assert [each and each[2] for each in found] == expected
    assert files[1].samefile(files[0])
    assert not files[2].samefile(files[0])


@pytest.mark.parametrize("of", ["online", "versions"])
def test_what_a_server_has_not_answered_is_not_published(of: str, tmp_path: Path, server: Postgres) -> None:
    """Else what was served would end, because a connection was cut."""
    folder, warehouse = tmp_path / "mlbridge.published" / "dev", server.warehouse()
    with server.connection.cursor() as cursor:
        cursor.execute("drop table if exists shops")
        cursor.execute("create table shops as select 1 as shop, timestamp '2024-03-01' as seen, 2 as v")
        cursor.execute("drop table if exists champions")
        cursor.execute("create table champions (model text, version int)")
    view = View("shops", ("postgres", "public", "shops"), ["shop"], "seen", None)

    def beside(place: Path, former: Path | None) -> None:
        if of == "online":
            wanted = {"m": [OnlineFeatures(SHOPS, {"shop": "shop"}, {"v": "v"})]}
            publish_online(warehouse, {SHOPS: view}, wanted, place, former)
        else:
            publish_versions(warehouse, ("postgres", "public", "champions"), {}, background_of, place, former)

    publish_beside(folder, beside, "before", "2024-03-01", "1")
    before = current_build(folder)
    session = warehouse.row(exp.select(exp.alias_(exp.func("pg_backend_pid"), "id")))["id"]
    assert server.rows(f"select pg_terminate_backend({session})") == [(True,)]
    with pytest.raises(ReadError):
        publish_beside(folder, beside, "cut", "2024-03-01", "1")
    assert (current_build(folder), len(list((folder / "builds").iterdir()))) == (before, 1)
    publish_beside(folder, beside, "after", "2024-03-01", "1")
    assert current_build(folder) != before


def test_the_pointer_leads_to_the_tables(folder: Path) -> None:
    assert published.file_of(folder / CURRENT, FACTS).is_file()
    assert json.loads((folder / CURRENT / published.INDEX).read_text())["format"] == 1
