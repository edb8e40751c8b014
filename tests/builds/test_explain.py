"""`mlbridge explain` over a built host, against what builds recorded and what DuckDB says of the training rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result
from dbt_host import Host, copy_of_host

from mlbridge.cli import main
from mlbridge.scoring.contributions import Contributions, contributions

RECORDED = """
select entity, time, version, {value} from main_insight.ml_predictions
where model = '{model}' and version = 1 and not_scored_because is null order by time desc, entity limit 1
"""


def explain(host: Host, *args: str) -> Result:
    return CliRunner().invoke(main, ["explain", *args, "--project-dir", str(host.path)])


def explained(host: Host, *args: str) -> dict[str, Any]:
    shown = explain(host, *args, "--format", "json")
    assert shown.exit_code == 0, shown.output
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


@pytest.mark.parametrize(("model", "value"), [("basket", "probability"), ("amount", "prediction_value")])
def test_contributions_add_up_to_the_prediction_that_was_recorded(model: str, value: str, shop: Host) -> None:
    ((entity, time, version, recorded),) = shop.rows(RECORDED.format(model=model, value=value))
    found = explained(shop, model, entity, "--time", str(time))
    assert (found["entity"], found["time"], found["version"]) == (entity, str(time), version)
    assert found["value"] == pytest.approx(recorded)
    assert found["recorded"]["value"] == recorded
    total = sum(row["contribution"] for row in found["features"])
    assert total == pytest.approx(found["value"] - found["base"])
    sizes = [abs(row["contribution"]) for row in found["features"]]
    assert sizes == sorted(sizes, reverse=True)
    assert found == explained(shop, model, entity, "--time", str(time))


def test_of_a_linear_model_a_feature_counts_by_its_distance_from_the_background(shop: Host) -> None:
    """The champion's own SQL over the same training rows, with one feature of the row put into each."""
    found = explained(shop, "amount", "north/42")
    model = CliRunner().invoke(main, ["compile", "amount", "--project-dir", str(shop.path)]).stdout
    with duckdb.connect(str(shop.database), read_only=True) as connection:
        connection.execute(f"""
            create temp table background as
            select s.* from main_lab.amount_split as s, (
                select train_from, train_to from main_lab.amount_training where version = 1 and outcome = 'promoted'
            ) as trained
            where ml_split = 'train' and week_from between train_from and train_to
            order by md5(cast(customer as text)), md5(cast(cast(week_from as timestamp) as text)) limit 256;
            create temp table changed as
            select b.* replace (
                (select visits from main_lab.amount_split where customer = 'north/42'
                and week_from = date '{found["time"][:10]}') as visits
            ) from background as b
        """)
        means = {}
        for table in ("background", "changed"):
            scores = model.replace("amount_split", f"temp.{table}")
            (means[table],) = connection.execute(f"select avg(prediction) from ({scores})").fetchone() or (None,)
    (visits,) = (row for row in found["features"] if row["feature"] == "visits")
    assert found["base"] == pytest.approx(means["background"])
    assert visits["contribution"] == pytest.approx(means["changed"] - means["background"])


def test_the_usual_value_is_that_of_the_training_rows(shop: Host) -> None:
    features = {row["feature"]: row for row in explained(shop, "basket", "north", "7")["features"]}
    ((visits, favourite),) = shop.rows("""
        select quantile_disc(visits, 0.5), mode(favourite) from main_lab.basket_split where ml_split = 'train'
    """)
    assert (features["visits"]["usual"], features["favourite"]["usual"]) == (visits, favourite)
    stored = shop.rows("""
        select visits, favourite from main_lab.basket_split where shop = 'north' and customer_id = 7
        order by week_from desc limit 1
    """)
    assert [(features["visits"]["value"], features["favourite"]["value"])] == stored


def test_a_table_for_people(shop: Host) -> None:
    shown = explain(shop, "basket", "north", "7")
    assert shown.exit_code == 0
    assert 'basket, ["north","7"] at 2024-' in shown.output
    assert "usual in training" in shown.output
    assert "The contributions add up to the difference" in shown.output
    assert "±" in shown.output
    first = explain(shop, "basket", '["north","7"]', "--time", "2024-01-22")
    assert first.exit_code == 0
    assert "row: the version, or another like it, may have been fitted on it." in first.output


def test_the_warehouse_is_closed_before_the_work_begins(
    shop: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = copy_of_host(shop, tmp_path)
    opened = []

    def writing(*args: Any) -> Contributions:
        with duckdb.connect(str(host.database)) as writer:  # refused while this process reads the file
            opened.append(writer)
        return contributions(*args)

    monkeypatch.setattr("mlbridge.commands.explain.contributions", writing)
    assert explain(host, "amount", "north/42").exit_code == 0
    assert opened


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("baskt", "north", "7"), "Did you mean 'basket'?"),
        (("basket", "nord", "7"), """has no row of 'nord', '7'. Near keys: '["north","7"]'"""),
        (("amount", "north42"), "Near keys: 'north/2', 'north/42'"),
        (("basket", "north", "7", "1"), "the key is 'shop', 'customer_id'; found 3 values"),
        (("basket", "north", "7", "--time", "2023-01-01"), "has no row at 2023-01-01 00:00:00 UTC; it has some at"),
        (("basket", "north", "7", "--version", "9"), "'basket' has no version 9. Versions: '1'."),
    ],
)
def test_what_cannot_be_explained_is_misuse(args: tuple[str, ...], words: str, shop: Host) -> None:
    shown = explain(shop, *args)
    assert (shown.exit_code, words in shown.output) == (2, True), shown.output
