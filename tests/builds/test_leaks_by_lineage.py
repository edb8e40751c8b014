"""The leak search by lineage on the flights' own compiled SQL: as it is, and with columns that are known only later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import duckdb
import pytest
import yaml
from dbt_host import Host, small_host
from hosts import PREDICTIONS, TRAINING
from warm import Warm

from mlbridge.engines.warehouse import Warehouse
from mlbridge.errors import FeatureError, SetupError
from mlbridge.leaks.catalogue import NONE, WITHHOLD, Suspicion
from mlbridge.lineage.upstream import Upstream, upstream
from mlbridge.nodes.training_lineage import search_manifest
from mlbridge.spec.reading import read_spec
from mlbridge.spec.specification import Spec

FEATURES = "model.flights.late_arrival_features"
LAST = "observed.origin,\n        observed.destination,\n        observed.route,"
# Planted features by name, with the column of the source that each comes from.
PLANTED = {
    "departure_delay": ("observed.departure_delay", "dep_delay"),
    "left_late": ("(observed.departed_at > observed.scheduled_departure_at)::int", "dep_delay"),
    "arrives_at": ("hour(observed.arrived_at)", "arr_delay"),
    "copy_of_target": ("observed.arrival_delay + 1", "arr_delay"),
    "carrier_delay": ("avg(observed.departure_delay) over (partition by observed.carrier)", "dep_delay"),
    "route_late": ("(select avg(o.is_late::int) from stg as o where o.route = observed.route)", "arr_delay"),
    "ends_late": (
        "sum(observed.arrival_delay) over (partition by observed.carrier order by observed.predicted_at)",
        "arr_delay",
    ),
    "dep_time": ("stg.departed_hhmm // 100", "dep_time"),
    "arr_time": ("stg.arrived_hhmm", "arr_time"),
    "air_time": ("stg.air_time", "air_time"),
    "carrier_air_time": ("max(stg.air_time) over (partition by observed.carrier, observed.destination)", "air_time"),
    "raw_delay": ("raw_flights.dep_delay", "dep_delay"),
    "cancelled": ("stg.status = 'cancelled'", "dep_time"),
}
HONEST = {
    "days_before": "avg(observed.arrival_delay) over (partition by observed.carrier order by observed.arrived_at "
    "range between interval 9 day preceding and interval 2 day preceding)",
    "scheduled_hour": "hour(stg.scheduled_arrival_at)",
    "landed_before": "(select avg(o.arrival_delay) from stg as o where o.route = observed.route "
    "and o.arrived_at <= observed.predicted_at)",
}
JOINED = "left join planes on observed.tail_number = planes.tail_number"
MORE_JOINS = """
    left join stg on observed.flight_id = stg.flight_id
    left join raw_flights on observed.flight_name = raw_flights.carrier || '-' || raw_flights.flight"""
MORE_TABLES = """
stg as (
    select *, origin || '-' || destination as route, arrival_delay >= 15 as is_late from "flights"."main"."stg_flights"
),
raw_flights as (select * from 'data/flights.parquet'),
"""


class Flights:
    """The manifest above a training of the example, and its warehouse."""

    def __init__(self, host: Host, model: str) -> None:
        path = host.path / f"target/compiled/flights/models/ml/{model}/{model}_training.py"
        found = upstream(str(path), f"model.flights.{model}_training")
        assert found is not None
        self.above: Upstream = found
        declared = yaml.safe_load((host.path / f"models/ml/{model}/_{model}.yml").read_text())["models"]
        (raw,) = (each["config"]["meta"]["mlbridge"] for each in declared if each["name"] == f"{model}_training")
        self.node, self.spec = f"{model}_training", read_spec(f"{model}_training", raw, {"forest": None})
        self.connection = duckdb.connect(str(host.database), read_only=True)
        self.connection.execute(f"set file_search_path = '{host.path}'")

    def plant(self, columns: dict[str, str]) -> None:
        """Add columns to the features as if the project's SQL had them; its table stays as it is."""
        planted = "".join(f"{sql} as {name},\n" for name, sql in columns.items())
        start, _, end = self.node_of(FEATURES)["compiled_code"].rpartition("final as (")
        end = end.replace(LAST, planted + LAST).replace(JOINED, JOINED + MORE_JOINS)
        self.node_of(FEATURES).update(compiled_code=f"{start}{MORE_TABLES}final as ({end}", alias="planted")

    def node_of(self, id_: str) -> dict[str, Any]:
        """Give a node of the manifest, to change it."""
        node: dict[str, Any] = self.above.manifest["nodes"][id_]
        return node

    def search(self, features: list[str], **changes: Any) -> list[Suspicion]:
        """Search the lineage of features."""
        spec: Spec = replace(self.spec, **changes)
        split = self.connection.table(f"{self.node.removesuffix('_training')}_split")
        warehouse = Warehouse(self.connection)
        return list(
            search_manifest(
                self.node, self.above, warehouse, warehouse.table(split, "split"), spec, features
            ).suspicions
        )

    def columns(self) -> list[str]:
        """Name the features."""
        names = self.connection.table(f"{self.node.removesuffix('_training')}_split").columns
        return [name for name in names if not self.spec.rules_out(name)]


@pytest.fixture
def late(flights: Host) -> Iterator[Flights]:
    found = Flights(flights, "late_arrival")
    yield found
    found.connection.close()


@pytest.mark.parametrize("model", ["late_arrival", "arrival_delay"])
def test_no_honest_feature_is_suspected(flights: Host, model: str) -> None:
    found = Flights(flights, model)
    suspicions = found.search(found.columns())
    assert {(each.feature, each.check) for each in suspicions if each.level != NONE} == set()
    assert {each.check for each in suspicions} == {"shared_with_target", "known_later", "pii"}
    # The history comes from the same column as the target does, and is looked at.
    assert all("raw.flights.arr_delay" in each.evidence for each in suspicions if each.check == "shared_with_target")
    assert not any("not decidable" in each.evidence for each in suspicions)


def test_every_planted_leak_is_found_with_its_way(late: Flights) -> None:
    late.plant({name: sql for name, (sql, _) in PLANTED.items()} | HONEST)
    found = late.search([*PLANTED, *HONEST, "carrier_late_28d"])
    worst = {each.feature: each for each in found if each.level == WITHHOLD}
    assert set(worst) == set(PLANTED)
    for name, (_, source) in PLANTED.items():
        ways = [each.evidence for each in found if each.feature == name and each.level == WITHHOLD]
        assert any(f"late_arrival_features.{name} (" in way for way in ways), ways
        assert any(f"raw.flights.{source}" in way or "stg_flights." in way for way in ways), ways


def test_a_column_that_is_known_later_in_few_rows_is_none(late: Flights) -> None:
    columns = late.node_of("model.flights.stg_flights")["columns"]
    columns["carrier"]["config"] = {"meta": {"mlbridge": {"known_at": "scheduled_departure_local"}}}
    columns["origin"]["meta"] = {"mlbridge": {"known_at": "source_hour_at"}}  # as before dbt 1.10
    found = {each.feature: each for each in late.search(["carrier", "origin"]) if each.check == "known_later"}
    assert found["carrier"].level == NONE  # New York's clock is behind UTC by more than two hours
    assert "lies after 'predicted_at' in 0 % of the rows" in found["carrier"].evidence
    assert found["origin"].level == WITHHOLD


def test_personal_data_is_refused_unless_allowed(late: Flights) -> None:
    late.node_of("model.flights.stg_planes")["columns"]["seats"]["config"] = {"meta": {"pii": True}}
    with pytest.raises(FeatureError) as caught:
        late.search(["carrier", "seats"])
    assert "late_arrival_training: the feature 'seats' must not be trained on: it comes from " in str(caught.value)
    assert "`allow_pii`" in str(caught.value)
    allowed = [
        each for each in late.search(["carrier", "seats"], allow_pii={"seats": "of planes"}) if each.check == "pii"
    ]
    assert [(each.feature, each.level, each.reason) for each in allowed] == [
        ("carrier", NONE, None), ("seats", WITHHOLD, "of planes"),
    ]  # fmt: skip


def test_known_at_names_a_column(late: Flights) -> None:
    columns = late.node_of("model.flights.stg_flights")["columns"]
    columns["air_time"]["config"] = {"meta": {"mlbridge": {"known_at": "arrivd_at"}}}
    with pytest.raises(
        SetupError, match=r"stg_flights: `mlbridge.known_at` names the column 'arrivd_at'.* 'arrived_at'"
    ):
        late.search(["carrier"])


# --- in a build --------------------------------------------------------------------------------------------------

VISITS = """
select
    i as visit_id,
    timestamp '2024-01-01' + interval (i) hour as arrived_at,
    timestamp '2024-01-01' + interval (i + 30) hour as left_at,
    'm' || (i % 700) || '@example.com' as email,
    (hash(i) % 1000) / 1000.0 as age,
    (hash(i) % 1000) / 1000.0 + (hash(i + 7) % 1000) / 900.0 as bill
from range({{ var("rows", 2000) }}) as t(i)
"""
STAYED = """
select visit_id, arrived_at, left_at, email, age, bill, bill > 1 as is_dear
from {{ ref('visits') }}
"""
DEAR = """
select
    visit_id,
    arrived_at,
    left_at,
    age,
    {{ var("leak", "visit_id % 7") }} as note,
    length(email) as letters,
    avg(bill) over (order by left_at range between interval 9 day preceding and interval 40 hour preceding) as bills,
    is_dear
from {{ ref('stayed') }}
"""
DECLARED = """
models:
  - name: visits
    config: {materialized: table}
    columns:
      - {name: email, config: {meta: {pii: true}}}
      - {name: bill, config: {meta: {mlbridge: {known_at: left_at}}}}
  - {name: stayed, config: {materialized: ephemeral}}
  - {name: dear_features, config: {materialized: table}}
  - {name: dear_split, config: {materialized: table}}
  - {name: dear_predictions, config: {materialized: mlbridge}}
  - name: dear_training
    config:
      materialized: mlbridge
      meta:
        mlbridge:
          {task: classification, target: is_dear, entity: visit_id, time: arrived_at, label_time: left_at,
           candidates: [logistic_regression], metric: roc_auc, features: [age, note, letters, bills], ALLOWED}
"""
RUN = ("run", "--select", "+dear_training", "ml_versions", "ml_leaks", "ml_lineage")


@pytest.fixture(scope="module")
def dear(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host over one table, with a column of personal data and one that is known later; nothing is built."""
    host = small_host(tmp_path_factory.mktemp("dear"), ["dear"])
    host.write(
        {
            "models/visits.sql": VISITS,
            "models/stayed.sql": STAYED,
            "models/dear_features.sql": DEAR,
            "models/dear_split.sql": "{{ mlbridge.split(ref('dear_features')) }}\n",
            "models/dear_training.py": TRAINING.format(name="dear"),
            "models/dear_predictions.py": PREDICTIONS.format(name="dear"),
            "models/dear.yml": DECLARED.replace("ALLOWED", "allow_pii: {}"),
        }
    )
    warm.dbt(host.path, "deps")
    return host


def test_a_build_refuses_personal_data_and_withholds_what_is_known_later(dear: Host, warm: Warm) -> None:
    output = " ".join(warm.dbt(dear.path, *RUN, ok=False).split())
    assert "dear_training: the feature 'letters' must not be trained on: it comes from visits.email" in output
    assert not dear.rows("select 1 from information_schema.tables where table_name = 'dear_training'")

    dear.write({"models/dear.yml": DECLARED.replace("ALLOWED", "allow_pii: {letters: they agreed}")})
    output = " ".join(warm.dbt(dear.path, *RUN, "--vars", "leak: bill / 2").split())
    assert "is withheld: withheld: 'note' looks like a leak (" in output
    assert (
        "'note' looks like a leak (it comes from visits.bill, which is known at visits.left_at: dear_features."
        in output
    )
    found = dear.rows(
        "select feature, \"check\", allowed from ml_leaks where level = 'withhold' and "
        "\"check\" in ('pii', 'known_later', 'shared_with_target') order by 1, 2"
    )
    assert found == [("letters", "pii", True), ("note", "known_later", False), ("note", "shared_with_target", False)]
    assert not dear.rows("select 1 from ml_leaks where evidence like '%not looked at%'")
    way = "select from_node, from_column, how, certainty, is_pii from ml_lineage where column_name = '{}' and is_pii"
    assert dear.rows(way.format("letters")) == [("stayed", "email", "transformed", "certain", True)]
    assert dear.rows(way.format("note")) == []


def test_what_was_changed_since_it_was_compiled_is_read_as_it_is_written(dear: Host, warm: Warm) -> None:
    """Only the training is built: the features' SQL is that of the build before, `visits` has Jinja and was changed."""
    dear.write({"models/visits.sql": VISITS + "-- changed\n", "models/stayed.sql": STAYED + "-- changed\n"})
    selected = ("dear_training", "ml_versions", "ml_leaks", "ml_lineage")
    output = " ".join(warm.dbt(dear.path, "run", "--select", *selected, "--vars", "{mlbridge_retrain: true}").split())
    assert "the search for leaks by lineage did not read everything: visits: it was not compiled" in output
    evidence = dict(dear.rows("select feature, evidence from ml_leaks where \"check\" = 'known_later' and version = 2"))
    assert evidence["age"].endswith("; not looked at: visits")
    assert "stayed.bill (copied)" in evidence["note"]


def test_the_lineage_of_each_version_stays(dear: Host, warm: Warm) -> None:
    """Also where a version that is gone had another number's rows, and where an earlier mlbridge left a view."""
    every = dear.rows("from ml_lineage order by all")
    assert dear.rows("select distinct version from ml_lineage order by 1") == [(1,), (2,)]
    with duckdb.connect(str(dear.database)) as connection:
        connection.execute("update ml_lineage set trained_at = '2020-01-01', node = 'gone' where version = 2")
    warm.dbt(dear.path, "run", "--select", "ml_lineage")
    assert dear.rows("from ml_lineage order by all") == every
    with duckdb.connect(str(dear.database)) as connection:
        connection.execute(
            "create view earlier as select 'dear' as model, 1 as version, 'x' as node, '' as column_name"
        )
        connection.execute("drop table ml_lineage; alter view earlier rename to ml_lineage")
    warm.dbt(dear.path, "run", "--select", "ml_lineage")
    assert dear.rows("from ml_lineage order by all") == every
