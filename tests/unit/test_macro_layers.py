"""The dbt package is in layers: which macros a file calls, which models a model reads, and where engines differ."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter

import pytest
from dbt_host import ROOT

# From the bottom: a file calls the macros of its own folder and of those before it.
LAYERS = (
    "macros/base",
    "macros/engines",
    "macros/spec",
    "macros/features",
    "macros/split",
    "macros/register",
    "macros/score",
    "macros/monitor/windows",
    "macros/monitor/drift",
    "macros/monitor/performance",
    "macros/monitor/alerts",
    "macros/monitor/builds",
    "macros/nodes",
    "macros/tests",
)
# The stages of the models, in the order in which data walks, and the last layer of macros that each may call.
STAGES = {"register": "register", "train": "register", "score": "score", "monitor": "monitor/builds"}
FILES = {
    str(path.relative_to(ROOT)): path.read_text()
    for folder in ("macros", "models")
    for path in sorted((ROOT / folder).rglob("*.sql"))
}
MACROS = [path for path in FILES if path.startswith("macros/")]
MODELS = [path for path in FILES if path.startswith("models/")]
DEFINED = re.compile(r"\{%-?\s*(?:macro|test)\s+(\w+)")
WHERE = {name: path for path in MACROS for name in DEFINED.findall(FILES[path])}
# Words of one engine, which only its own file may say.
OF_ENGINES = re.compile(
    r"duckdb|postgres|snowflake|bigquery|spark|redshift|target\.type|bool_or|double\[\]|::", re.IGNORECASE
)


def called(path: str) -> set[str]:
    """Give the files whose macros one calls, itself left out."""
    names = set(re.findall(r"mlbridge\.(\w+)\(", FILES[path]))
    return {WHERE[name] for name in names if name in WHERE} - {path}


def layer(path: str) -> int:
    return LAYERS.index(path.rsplit("/", 1)[0])


@pytest.mark.parametrize("path", MACROS)
def test_a_macro_calls_its_own_layer_and_lower_ones(path: str) -> None:
    above = {other for other in called(path) if layer(other) > layer(path)}
    assert not above


def test_no_calls_go_round() -> None:
    try:
        TopologicalSorter({path: called(path) for path in MACROS}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_two_macros_have_one_name() -> None:
    names = [name for path in MACROS for name in DEFINED.findall(FILES[path])]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("path", MODELS)
def test_a_model_calls_and_reads_what_its_stage_may(path: str) -> None:
    stage = path.split("/")[1]
    most = LAYERS.index(f"macros/{STAGES[stage]}")
    assert not {other for other in called(path) if layer(other) > most}
    read = set(re.findall(r"ref\('((?:int_)?ml_\w+)'\)", FILES[path]))
    stages = {other.split("/")[1] for other in MODELS if other.rsplit("/", 1)[1].removesuffix(".sql") in read}
    assert all(list(STAGES).index(other) <= list(STAGES).index(stage) for other in stages)


@pytest.mark.parametrize("path", FILES)
def test_what_differs_by_engine_stands_with_the_engines(path: str) -> None:
    if path.startswith("macros/engines/"):
        return
    code = re.sub(r"\{#.*?#\}|--[^\n]*", "", FILES[path], flags=re.DOTALL)
    assert "adapter.dispatch" not in code
    assert not OF_ENGINES.findall(code)


def test_each_answer_of_an_engine_answers_a_question_of_the_interface() -> None:
    dispatched = set(re.findall(r"dispatch\('(\w+)'", FILES["macros/engines/interface.sql"]))
    answered: dict[str, set[str]] = {}
    for path in MACROS:
        for engine, name in re.findall(r"macro (\w+?)__(\w+)\(", FILES[path]):
            assert path == f"macros/engines/{engine}.sql"
            answered.setdefault(engine, set()).add(name)
    assert answered["default"] <= dispatched
    assert set().union(*answered.values()) == dispatched
