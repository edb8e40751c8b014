"""A copy of the target among the features of a host: withheld, excluded, allowed, retired, in Python and in SQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from dbt_host import Host, copy_of_host, small_host
from hosts import CHURNED, PREDICTIONS, TRAINING
from warm import Warm

from mlbridge import monitor
from mlbridge.cli import main
from mlbridge.model_card.card import markdown_card
from mlbridge.monitor import open_folder

FEATURES = f"""
select *, case when churned then 1 when not churned then 0 end as echo
from (
    select
        i as customer_id,
        timestamp '2024-01-01' + interval (i) hour as at,
        (hash(i) % 1000) / 1000.0 as visits,
        (hash(i + 1000000) % 100) / 10.0 as age,
        {CHURNED} as churned
    from range({{{{ var("rows", 2000) }}}}) as t(i)
)
"""
SPEC: dict[str, Any] = {
    "task": "classification", "target": "churned", "entity": "customer_id", "time": "at",
    "candidates": ["logistic_regression"], "metric": "roc_auc",
}  # fmt: skip
CALL = "{{ mlbridge.predict(ref('churned_split'), ref('churned_training')) }}\n"
TABLES = ("ml_leaks", "ml_versions", "ml_champions", "ml_decisions")
WHY = "the clerk writes it down before the customer is asked"


def specified(host: Host, by: str = "mlbridge", **spec: Any) -> Host:
    """Write the branch's YAML; `by` is the materialization of the predictions."""
    models: list[dict[str, Any]] = [
        {"name": "churned_features", "config": {"materialized": "table"}},
        {"name": "churned_split", "config": {"materialized": "table"}},
        {"name": "churned_training", "config": {"materialized": "mlbridge", "meta": {"mlbridge": {**SPEC, **spec}}}},
    ]
    if by == "mlbridge":
        models.append({"name": "churned_predictions", "config": {"materialized": by}})
    host.write({"models/churned.yml": yaml.safe_dump({"models": models})})
    return host


def run(host: Host, warm: Warm, rows: int = 2000, ok: bool = True) -> str:
    """Build the branch of the model and what the tests look at; gives dbt's output in one line."""
    select = ("--select", "+churned_predictions", *TABLES)
    return " ".join(warm.dbt(host.path, "run", *select, "--vars", f"rows: {rows}", ok=ok).split())


def outcomes(host: Host) -> list[tuple[Any, ...]]:
    return host.rows("select version, outcome, is_retired from ml_versions order by version")


def scored_by(host: Host) -> dict[int, int]:
    return dict(host.rows("select version, count(*) from churned_predictions group by 1 order by 1"))


@pytest.fixture(scope="module")
def withheld(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> tuple[Host, str]:
    """A host whose first training saw the copy, and what dbt said."""
    host = specified(small_host(tmp_path_factory.mktemp("withheld"), ["churned"]))
    host.write(
        {
            "models/churned_features.sql": FEATURES,
            "models/churned_split.sql": "{{ mlbridge.split(ref('churned_features')) }}\n",
            "models/churned_training.py": TRAINING.format(name="churned"),
            "models/churned_predictions.py": PREDICTIONS.format(name="churned"),
        }
    )
    warm.dbt(host.path, "deps")
    return host, " ".join(warm.dbt(host.path, "build").split())


@pytest.fixture(scope="module")
def leaked(withheld: tuple[Host, str], warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The same host with an honest second version, and a third that rests on the copy, which the spec allows."""
    host = copy_of_host(withheld[0], tmp_path_factory.mktemp("leaked"))
    specified(host, features={"exclude": ["echo"]})
    run(host, warm)
    specified(host, allow_leakage={"echo": WHY})
    assert f"'echo' is allowed to look like a leak: {WHY}" in run(host, warm)
    return host


def test_what_looks_like_a_leak_is_withheld_and_the_build_goes_on(withheld: tuple[Host, str]) -> None:
    host, output = withheld
    assert "is withheld: withheld: 'echo' looks like a leak" in output
    assert "churned has no champion yet, so nothing is scored" in output
    assert outcomes(host) == [(1, "withheld", False)]
    assert host.rows("select outcome, artifact is not null, metrics is not null from churned_training") == [
        ("withheld", True, True)
    ]
    assert host.rows("select * from ml_champions") == []
    assert scored_by(host) == {}
    found = host.rows("select feature, \"check\", allowed, reason from ml_leaks where level = 'withhold' order by 1, 2")
    assert found == [
        ("echo", "alone", False, None),
        ("echo", "null_where_unknown", False, None),
        ("echo", "same_as_target", False, None),
    ]
    # That nothing was found is said as well.
    others = host.rows("select feature, count(*) from ml_leaks where level = 'none' group by 1 order by 1")
    assert others == [("age", 8), ("echo", 5), ("visits", 8)]


def test_doctor_versions_and_the_monitor_say_it(withheld: tuple[Host, str], monkeypatch: pytest.MonkeyPatch) -> None:
    host, _ = withheld
    monkeypatch.chdir(host.path)  # the profile names its file by a relative path
    shown = CliRunner().invoke(main, ["doctor"])
    assert shown.exit_code == 1
    assert "churned version 1: 'echo', alone it leaves 0 % of the errors" in shown.output
    shown = CliRunner().invoke(main, ["versions"])
    assert shown.exit_code == 0
    assert "churned version 1 withheld: no version yet; withheld: 'echo' looks like a leak" in shown.output
    state = open_folder(host.published).state()
    (row,) = monitor.overview(state).to_dict("records")
    assert row["verdict"] == "act"
    assert row["reason"].startswith("No version is in use: ")
    found = monitor.leaks(state, "churned")
    assert list(found["level"]) == ["withhold"] * 3 + ["none"] * 21
    assert not found["allowed"].any()
    assert "not in use: something looks like a leak" in markdown_card(state, "churned", 1)


def test_a_withheld_version_is_not_trained_again_and_cannot_be_pinned(
    withheld: tuple[Host, str], warm: Warm, tmp_path: Path
) -> None:
    host = copy_of_host(withheld[0], tmp_path)
    assert "nothing to do: version 1 was trained on this spec" in run(host, warm)
    specified(host, pin=1)
    assert "`mlbridge.pin`: version 1 is withheld, because of what looks like a leak" in run(host, warm, ok=False)
    specified(host, retire=3)
    assert "expected a list of versions such as [3], found 3." in warm.dbt(
        host.path, "run", "--select", "ml_versions", ok=False
    )
    specified(host, allow_leakage={"ecko": "why"})
    output = run(host, warm, ok=False)
    assert (
        "`mlbridge.allow_leakage` names the column 'ecko', which the split does not have. Did you mean 'echo'?"
        in output
    )


def test_sql_says_of_a_withheld_version_that_is_pinned_what_python_says(
    withheld: tuple[Host, str], warm: Warm, tmp_path: Path
) -> None:
    host = specified(copy_of_host(withheld[0], tmp_path), "sql", pin=1)
    (host.path / "models" / "churned_predictions.py").unlink()
    host.write({"models/churned_predictions.sql": CALL})
    output = " ".join(warm.dbt(host.path, "run", "--select", "churned_predictions", ok=False).split())
    assert "`mlbridge.pin`: version 1 is withheld, because of what looks like a leak; see `ml_leaks`" in output


def test_an_honest_version_is_promoted_then_the_allowed_one(leaked: Host) -> None:
    assert outcomes(leaked) == [(1, "withheld", False), (2, "promoted", False), (3, "promoted", False)]
    ((reason,),) = leaked.rows("select reason from ml_versions where version = 3")
    assert reason.startswith("the features changed: 'echo' is new; ")
    assert f"; 'echo' is allowed to look like a leak: {WHY}" in reason
    assert set(leaked.rows("select reason from ml_leaks where version = 3 and allowed")) == {(WHY,)}
    assert leaked.rows("select version from ml_champions") == [(3,)]
    # Version 3 sees one test period and the rows to come, which version 2 has scored as well.
    assert scored_by(leaked).keys() == {2, 3}


def test_an_honest_challenger_is_not_measured_against_a_champion_with_what_the_spec_excludes(
    leaked: Host, warm: Warm, tmp_path: Path
) -> None:
    host = copy_of_host(leaked, tmp_path)
    specified(host, features={"exclude": ["echo"]})
    assert "not compared with the champion (version 3): the spec now excludes 'echo'" in run(host, warm)
    assert outcomes(host)[-1] == (4, "promoted", False)


@pytest.mark.parametrize("node", ["python", "sql"])
def test_a_retired_champion_makes_room_for_the_version_before_it(
    node: str, leaked: Host, warm: Warm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = copy_of_host(leaked, tmp_path)
    by = "mlbridge" if node == "python" else "sql"
    if node == "sql":
        (host.path / "models" / "churned_predictions.py").unlink()
        host.write({"models/churned_predictions.sql": CALL})
    before = scored_by(host)
    specified(host, by, allow_leakage={"echo": WHY}, retire=[3])
    output = run(host, warm, rows=2100)
    assert "churned_training: retired, neither scored with nor compared with: version 3" in output
    assert "churned_predictions: retired" in output
    # A retirement by itself trains nothing.
    assert outcomes(host) == [(1, "withheld", False), (2, "promoted", False), (3, "promoted", True)]
    assert host.rows("select version from ml_champions") == [(2,)]
    assert scored_by(host) == {2: before[2] + 100, 3: before[3]}
    if node == "python":
        monkeypatch.chdir(host.path)
        shown = CliRunner().invoke(main, ["versions", "--format", "json"])
        assert [(row["version"], row["retired"]) for row in json.loads(shown.stdout)][:2] == [(3, True), (2, False)]
    specified(host, by, allow_leakage={"echo": WHY}, retire=[3, 7])
    assert "`mlbridge.retire`: there is no version 7; the logbook has" in run(host, warm, ok=False)
    specified(host, by, allow_leakage={"echo": WHY}, retire=[3], pin=3)
    assert "names version 3, which `pin` names as well" in run(host, warm, ok=False)


def test_with_every_version_retired_there_is_no_champion_and_a_training_is_due(
    leaked: Host, warm: Warm, tmp_path: Path
) -> None:
    host = copy_of_host(leaked, tmp_path)
    specified(host, features={"exclude": ["echo"]}, retire=[2, 3])
    output = run(host, warm)
    assert outcomes(host)[-1] == (4, "promoted", False)
    assert "not compared" not in output
    specified(host, features={"exclude": ["echo"]}, retire=[2, 3, 4])
    # The newest is retired and none is left in use: that alone is a reason.
    assert "training version 5: version 2, 3, 4 are retired, and no other is in use" in run(host, warm)
    assert host.rows("select version from ml_champions") == [(5,)]
