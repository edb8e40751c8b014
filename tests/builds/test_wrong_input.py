"""Wrong input in a real build: one clear error per node, before any fit, and nothing lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt_host import Host, small_host
from hosts import BY_MOMENT as SPEC
from hosts import PREDICTIONS, TRAINING
from warm import Warm

COLUMNS = {
    "id": "'k' || i",
    "moment": "timestamp '2024-01-01' + to_hours(i)",
    "x": "hash(i) % 1000",
    "y": "case when i < 220 then (hash(i) % 1000) / 1000.0 + (hash(-i) % 1000) / 2000.0 > 0.75 end",
}
# By case: what its spec and its features say otherwise, the node that fails, and words of the one error.
CASES: dict[str, tuple[dict[str, Any], dict[str, str | None], str, list[str]]] = {
    # Keys that the split needs are checked where the split is made.
    "key": ({"entty": "id"}, {}, "split", ["`mlbridge.entty`: unknown key.", "Did you mean 'entity'?", "label_time"]),
    "split_key": ({"split": {"gab": "1 day"}}, {}, "split", ["`mlbridge.split.gab`", "mean 'gap'?", "validation"]),
    "split_word": ({"split": "time"}, {}, "split", ["`mlbridge.split`: expected keys among 'by'", "found 'time'"]),
    "share": ({"split": {"test": "15 %"}}, {}, "split", ["`mlbridge.split.test`: expected a number", "found '15 %'"]),
    "gap": ({"split": {"gap": "soon"}}, {}, "split", ["`mlbridge.split.gap`: expected e.g. '7 days'", "found 'soon'"]),
    "by": ({"split": {"by": "hsh"}}, {}, "split", ["`mlbridge.split.by` names the column 'hsh'", "mean 'hash'?"]),
    "target": ({"target": "yy"}, {}, "split", ["`mlbridge.target`", "'yy'", "mean 'y'?", "id, moment, x, y"]),
    "entity": ({"entity": ["id", "leg"]}, {}, "split", ["`mlbridge.entity`", "'leg'", "Its columns: id"]),
    "time": ({"time": "momnt"}, {}, "split", ["`mlbridge.time`", "'momnt'", "Did you mean 'moment'?"]),
    "group": ({"split": {"by": "hash", "group": "crew"}}, {}, "split", ["`mlbridge.split.group`", "'crew'"]),
    "no_time": ({"time": None}, {}, "split", ["`mlbridge.time`: is missing", "Name it in the node's YAML"]),
    "no_spec": ({}, {}, "split", ["found no `config: {meta: {mlbridge: ...}}`"]),
    "task": ({"task": "clasification"}, {}, "split", ["`mlbridge.task`", "mean 'classification'?", "'regression'"]),
    # dbt writes the spec into Python code, which has no word for these.
    "nan": ({"retrain": {"max_decay": float("nan")}}, {}, "split",
            ["`mlbridge.retrain.max_decay`: expected a finite number, found .nan."]),
    "infinity": ({"monitor": {"thresholds": {"psi": float("inf")}}}, {}, "split",
                 ["`mlbridge.monitor.thresholds.psi`: expected a finite number, found .inf."]),
    "number": ({"entity": 5}, {}, "split", ["`mlbridge.entity`: expected the name of a column or a list", "found 5."]),
    "empty_by": ({"split": {"by": None}}, {}, "split", ["`mlbridge.split.by`: expected 'time', 'hash' or the name"]),
    "time_number": ({}, {"moment": "i"}, "split", ["`mlbridge.time`: 'moment' is a BIGINT; expected a timestamp"]),
    "time_text": ({}, {"moment": "'2024-01-01'"}, "split", ["`mlbridge.time`: 'moment' is a VARCHAR; expected"]),
    "time_of_day": ({}, {"moment": "time '10:00:00'"}, "split", ["`mlbridge.time`: 'moment' is a TIME; expected"]),
    "known": ({"label_time": "k"}, {"k": "i > 3"}, "split", ["`mlbridge.label_time`: 'k' is a BOOLEAN; expected"]),
    # The rest is checked by the training, before any fit.
    "zone": ({}, {"moment": "timestamptz '2024-01-01' + to_hours(i)"}, "training",
             ["`mlbridge.time`: 'moment' is a TIMESTAMP WITH TIME ZONE; expected a timestamp without time zone"]),
    "before_christ": ({}, {"moment": "case i when 3 then timestamp '0044-03-15 (BC) 00:00:00' when 4 then '-infinity' "
                                     "else timestamp '2024-01-01' + to_hours(i) end"}, "training",
                      ["'moment' lies before the year 1 in 2 row(s)"]),
    "vast": ({"task": "regression", "metric": "rmse", "candidates": ["ridge"]}, {"y": "(hash(i) % 1000) * 1e305"},
             "training", ["the target 'y' is ", "e+307 in some", "numbers beyond 1e+60 are too large to square"]),
    "nan_target": ({"task": "regression", "metric": "rmse", "candidates": ["ridge"]}, {"y": "'nan'::double"},
                   "training", ["the target 'y' is NaN or infinite in some", "must be NULL"]),
    "word": ({"split": {"by": "w"}}, {"w": "i"}, "training", ["`ml_split` holds", "allowed: 'train', 'validation'"]),
    "metric": ({"metric": "auc"}, {}, "training", ["`mlbridge.metric`", "found 'auc'", "mean 'roc_auc'?"]),
    "candidate": ({"candidates": ["random_forrest"]}, {}, "training", ["mean 'random_forest'?"]),
    "duplicates": ({}, {"id": "'k'", "moment": "timestamp '2024-01-01' + to_hours(least(i, 238))"}, "training",
                   ["id = k at 2024-01-10 22:00:00 stands in 2 rows"]),
    "null_entity": ({}, {"id": "case when i <> 3 then i end"}, "training",
                    ["'id' is NULL in 1 row(s)", "Filter those"]),
    "null_time": ({}, {"moment": "case when i <> 3 then timestamp '2024-01-01' + to_hours(i) end"}, "training",
                  ["'moment' is NULL in 1 row(s)"]),
    "constant": ({}, {"z": "7"}, "training", ["the feature 'z' is constant: 7 in all", 'features: {exclude: ["z"]}']),
    "all_null": ({}, {"z": "cast(null as double)"}, "training", ["the feature 'z' is NULL in all"]),
    "infinite": ({}, {"z": "case when i = 3 then cast('infinity' as double) else i end"}, "training",
                 ["the feature 'z' is infinite in some rows"]),
    "list": ({}, {"z": "[i]"}, "training", ["the feature 'z' is a BIGINT[]"]),
    "struct": ({}, {"z": "{'a': i}"}, "training", ["the feature 'z' is a STRUCT(a BIGINT)"]),
    "blob": ({}, {"z": "encode('z' || i)"}, "training", ["the feature 'z' is a BLOB"]),
    "plain": ({}, {}, "training", ["must be materialized by mlbridge", "`config: {materialized: mlbridge}`"]),
}  # fmt: skip


def _node(case: str, stage: str) -> str:
    return f"{case}_{stage}"


def _files(case: str, spec: dict[str, Any], columns: dict[str, str | None]) -> dict[str, str]:
    listed = ", ".join(f"{sql} as {name}" for name, sql in {**COLUMNS, **columns}.items() if sql)
    training: dict[str, Any] = {"materialized": "table" if case == "plain" else "mlbridge"}
    if case != "no_spec":
        training["meta"] = {"mlbridge": {key: value for key, value in {**SPEC, **spec}.items() if value is not None}}
    nodes = [{"name": _node(case, "training"), "config": training}]
    return {
        f"models/{_node(case, 'features')}.sql": f"select {listed} from range(240) as t(i)\n",
        f"models/{_node(case, 'split')}.sql": f"{{{{ mlbridge.split(ref('{_node(case, 'features')}')) }}}}\n",
        f"models/{_node(case, 'training')}.py": TRAINING.format(name=case),
        f"models/{case}.yml": yaml.safe_dump({"models": nodes}),
    }


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Host:
    """Every case side by side, a model that is right beside them, and nodes with wrong names."""
    host = small_host(tmp_path_factory.mktemp("wrong"), [])
    for case, (spec, columns, _, _) in {**CASES, "right": ({}, {"due": COLUMNS["moment"]}, "", [])}.items():
        host.write(_files(case, spec, columns))
    host.write(
        {
            "models/right_parts.sql": "{{ mlbridge.split(ref('right_features')) }}\n",
            "models/orphan_split.sql": "{{ mlbridge.split(ref('right_features')) }}\n",
        }
    )
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, "--log-level-file", "debug", "build", "--select", "small", ok=False)
    return host


@pytest.fixture(scope="module")
def results(host: Host) -> dict[str, tuple[str, str]]:
    """The status and the message of every node."""
    found = json.loads((host.path / "target" / "run_results.json").read_text())["results"]
    return {each["unique_id"].split(".")[2]: (each["status"], each["message"] or "") for each in found}


@pytest.mark.parametrize("case", CASES)
def test_the_node_that_is_wrong_says_what_and_the_way_out(case: str, results: dict[str, tuple[str, str]]) -> None:
    *_, stage, words = CASES[case]
    status, message = results[_node(case, stage)]
    assert status == "error"
    if case != "plain":  # where mlbridge materializes: the first line after dbt's own, and no traceback
        heading, sentence = message.splitlines()[:2]
        assert heading.startswith(f"Compilation Error in model {_node(case, stage)} ")
        assert sentence.startswith(f"  {_node(case, '')}")
        assert "Traceback" not in message
    for word in words:
        assert word in message
    if stage == "split":
        assert results[_node(case, "training")][0] == "skipped"


def test_the_traceback_of_a_refusal_is_in_the_log(host: Host) -> None:
    log = (host.path / "logs" / "dbt.log").read_text()
    assert "in check_keys" in log
    assert "mlbridge.errors.SplitError: duplicates_training: id = k at" in log


def test_only_what_is_wrong_fails(results: dict[str, tuple[str, str]]) -> None:
    wrong = {_node(case, stage) for case, (_, _, stage, _) in CASES.items()} | {"right_parts", "orphan_split"}
    assert {node for node, (status, _) in results.items() if status == "error"} == wrong
    assert results["right_training"][0] == "success"


def test_a_split_node_with_a_wrong_name_is_told_so(results: dict[str, tuple[str, str]]) -> None:
    assert "right_parts: a node that calls mlbridge.split must be called `<model>_split`" in results["right_parts"][1]


def test_a_split_without_its_training_names_the_node_that_is_missing(results: dict[str, tuple[str, str]]) -> None:
    message = results["orphan_split"][1]
    assert "orphan_training: found no `config: {meta: {mlbridge: ...}}` on a node of this name. Write there" in message


def test_nothing_is_written_by_what_fails(host: Host) -> None:
    made = {name for (name,) in host.rows("select table_name from information_schema.tables")}
    assert "right_training" in made
    assert not {name for name in made if name.endswith("_training") and name != "right_training"}
    assert not {name for name in made if "__dbt" in name}
    assert host.rows("select version, outcome from right_training") == [(1, "promoted")]


def test_the_log_says_that_a_moment_is_read_as_a_number(host: Host) -> None:
    log = (host.path / "logs" / "dbt.log").read_text()
    assert "right_training: reads the feature 'due' (TIMESTAMP) as seconds since 1970" in log


# --- what comes from outside ------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["yesterday", "2024-02-30", "2024-01-01T10:00:00+01:00"])
def test_a_malformed_clock_is_refused_and_nothing_is_lost(host: Host, warm: Warm, moment: str) -> None:
    before = host.rows("from right_training")
    output = warm.dbt(host.path, "build", "--select", "right_split+", "--vars", f"mlbridge_as_of: '{moment}'", ok=False)
    expected = "a moment in UTC such as '2013-07-01' or '2013-07-01 12:00:00'"
    assert f"vars: mlbridge_as_of: expected {expected}, found '{moment}'." in output
    assert host.rows("from right_training") == before


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ("late", "expected a list of names such as [late_arrival], found 'late'."),
        ("[late, late]", "'late' is listed twice. Name each model once"),
        ("[late, 5]", "expected names such as [late_arrival], found ['late', 5]."),
    ],
)
def test_models_that_are_no_list_of_names_are_refused(host: Host, warm: Warm, declared: str, problem: str) -> None:
    options = ("--vars", f"mlbridge_models: {declared}")
    output = warm.dbt(host.path, "build", "--select", "ml_versions", *options, ok=False)
    assert f"mlbridge_models: {problem}" in output


def test_a_declared_model_without_nodes_is_named(host: Host, warm: Warm) -> None:
    output = warm.dbt(host.path, "build", "--select", "ml_versions", "--vars", "mlbridge_models: [ghost]", ok=False)
    assert "'ghost_training'" in output
    assert "was not found" in output


def test_a_training_without_its_split_is_named(tmp_path: Path, warm: Warm) -> None:
    host = small_host(tmp_path, [])
    files = _files("lone", {}, {})
    host.write({name: text for name, text in files.items() if "_split" not in name and "_features" not in name})
    warm.dbt(host.path, "deps")
    output = warm.dbt(host.path, "build", "--select", "small", ok=False)
    assert "lone_training" in output
    assert "'lone_split' which was not found" in output


def test_a_prediction_that_fails_in_its_stream_says_why_and_writes_nothing(host: Host, warm: Warm) -> None:
    config = {"models": [{"name": "right_predictions", "config": {"materialized": "mlbridge"}}]}
    host.write({"models/right_predictions.py": PREDICTIONS.format(name="right"),
                "models/right_predictions.yml": json.dumps(config)})  # fmt: skip
    columns = {**COLUMNS, "due": COLUMNS["moment"], "x": "case when i = 230 then 'inf'::double else hash(i) % 1000 end"}
    right = {"x": "cast(hash(i) % 1000 as double)"}
    host.write(_files("right", {}, {"due": COLUMNS["moment"], **right}))
    warm.dbt(host.path, "build", "--select", "right_features+", "--exclude", "right_parts", "orphan_split")
    before = host.rows("from right_predictions order by entity, version")
    assert before
    host.write(_files("right", {}, {**columns, "id": "'n' || i"}))
    output = warm.dbt(host.path, "build", "--select", "right_features+", "--exclude", "right_parts", "orphan_split")
    assert (
        "right_predictions: version 2 gives no prediction for 1 row(s): the feature 'x' is infinite (n230)." in output
    )
    after = host.rows("from right_predictions order by entity, version")
    assert set(before) < set(after)
    assert [row[0:5] for row in after]


def test_an_error_of_the_stream_stands_on_the_first_line(tmp_path: Path, warm: Warm) -> None:
    host = small_host(tmp_path, [])
    config = {"models": [{"name": "right_predictions", "config": {"materialized": "mlbridge"}}]}
    host.write(_files("right", {}, {}))
    # The build is a process of its own, whose scoring may be spoilt: in Python, and by an estimator that fails.
    spoilt = (
        "    nodes.cheaper = lambda *_: 'python'\n    LogisticRegression.predict_proba = lambda *_: int('a bad row')\n"
    )
    code = PREDICTIONS.format(name="right").replace("    return", f"{spoilt}    return")
    imports = "from mlbridge.nodes import predictions as nodes\nfrom sklearn.linear_model import LogisticRegression\n"
    host.write({
        "models/right_predictions.py": f"{imports}{code}",
        "models/right_predictions.yml": json.dumps(config),
    })  # fmt: skip
    warm.dbt(host.path, "deps")
    warm.dbt(host.path, "build", "--select", "small", ok=False)
    found = json.loads((host.path / "target" / "run_results.json").read_text())["results"]
    (failed,) = (each for each in found if each["status"] == "error")
    assert failed["message"].splitlines()[1].strip().startswith("right_predictions: version 1 failed to score:")
    assert "Traceback" not in failed["message"]
    tables = {name for (name,) in host.rows("select table_name from information_schema.tables")}
    assert not {name for name in tables if name.startswith("right_predictions")}
