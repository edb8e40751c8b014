"""The spec is read twice, by SQL and by Python: both read what `tests/expected/specs.yml` says, and refuse the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import yaml
from dbt_host import ROOT
from decided import Decided, RefusedError
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbridge.errors import SpecError, listed, nearest
from mlbridge.spec.reading import read_spec

CASES = yaml.safe_load((ROOT / "tests/expected/specs.yml").read_text())
NODE, LEAST = CASES["node"], CASES["least"]


@cache
def _macros() -> Decided:
    return Decided()


@pytest.fixture
def macros() -> Decided:
    return _macros()


@pytest.mark.parametrize("case", CASES["read"], ids=lambda case: str(case["spec"]))
def test_a_spec_is_read_alike(case: dict[str, Any], macros: Decided) -> None:
    raw_spec = {**LEAST, **case["spec"]}
    by_sql = macros.call("read_spec", NODE, raw_spec)
    by_python = json.loads(json.dumps(read_spec(NODE, raw_spec).as_dict()))
    for key, value in case["read"].items():
        assert by_sql[key] == value
        assert by_python[key] == value


@pytest.mark.parametrize("case", CASES["wrong"], ids=lambda case: str(case["spec"]))
def test_a_wrong_spec_is_refused_with_the_same_sentence(case: dict[str, Any], macros: Decided) -> None:
    raw_spec = {**LEAST, **case["spec"]}
    with pytest.raises(SpecError) as by_python:
        read_spec(NODE, raw_spec)
    assert str(by_python.value) == f"{NODE}: {case['error']}"
    with pytest.raises(RefusedError) as by_sql:
        macros.call("read_spec", NODE, raw_spec)
    assert str(by_sql.value) == f"{NODE}: {case['error']}"


@pytest.mark.parametrize("found", [None, "late", [1]])
def test_a_node_without_a_spec_is_refused_with_the_same_sentence(found: Any, macros: Decided) -> None:
    with pytest.raises(SpecError) as by_python:
        read_spec(NODE, found)
    with pytest.raises(RefusedError) as by_sql:
        macros.call("read_spec", NODE, found)
    assert str(by_sql.value) == str(by_python.value)
    assert "found no `config: {meta: {mlbridge: ...}}` on a node of this name." in str(by_sql.value)


# Values of a wrong kind, as YAML reads them.
KINDS = {
    text: yaml.safe_load(text)
    for text in (
        "null", "''", "yes", "off", "0", "-1", "3", "0.5", "-0.1", "10000000000000000000", ".nan", ".inf", "-.inf",
        "1:30", "word", "'٣ days'", "'-7 days'", "'7 days'", "'99999999 weeks'", "[]", "[null]", "[3]", "[yes]",
        "[.nan]", "[[a]]", "[a, a]", "{}", "{a: 1}", "{a: {b: .nan}}", "{on: 3}",
    )
}  # fmt: skip
NAMES = ("word", "'٣ days'", "'-7 days'", "'7 days'", "'99999999 weeks'")
SMALL, LARGE = ("0.5",), ("3", "1:30", "10000000000000000000")
# Which of them a key may say.
ALLOWED = {
    "task": (),
    "target": NAMES,
    "entity": NAMES,
    "time": NAMES,
    "label_time": ("null", *NAMES),
    "features": ("null", "[]", "{}", *NAMES),
    "features.exclude": ("null", "[]", *NAMES),
    "split": ("null", "{}"),
    "split.by": NAMES,
    "split.validation": SMALL,
    "split.test": SMALL,
    "split.gap": ("'7 days'",),
    "split.group": ("null",),
    "candidates": ("null",),
    "metric": ("null",),
    "promote": ("null", "{}"),
    "promote.confidence": (),
    "promote.min_gain": ("0", *SMALL, *LARGE),
    "promote.block": ("null", *NAMES),
    "retrain": ("null", "{}"),
    "retrain.max_age": ("null", "'7 days'"),
    "retrain.max_drift": ("null", *SMALL, *LARGE),
    "retrain.max_decay": ("null", "0", *SMALL, *LARGE),
    "retrain.min_new_labels": ("null", *LARGE),
    "retrain.cool_down": ("null", "'7 days'"),
    "shadow": ("null", "yes", "off"),
    "monitor": ("null", "{}"),
    "monitor.window": (),
    "monitor.slices": ("null", "[]", *NAMES),
    "monitor.thresholds": ("null", "{}"),
    "monitor.thresholds.psi": ("0", *SMALL, *LARGE),
    "monitor.thresholds.roc_auc": ("0", "-1", "-0.1", *SMALL, *LARGE),
    "monitor.feature_thresholds": ("null", "{}"),
    "monitor.feature_thresholds.x": ("null", "{}"),
    "monitor.feature_thresholds.x.psi": ("0", *SMALL, *LARGE),
    "pin": ("null", *LARGE),
    "trusted": ("null", "[]", *NAMES),
    "retire": ("null", "[]", "[3]"),
    "allow_leakage": ("null", "{}"),
    "allow_leakage.x": NAMES,
    "allow_pii": ("null", "{}"),
    "allow_pii.x": NAMES,
    "sample": ("null", "{}"),
    "sample.rows": ("null", "10000000000000000000"),
    "sample.by": (),
}


@pytest.mark.parametrize("key", ALLOWED)
def test_a_value_of_a_wrong_kind_is_refused_by_key_and_value(key: str, macros: Decided) -> None:
    for text, value in KINDS.items():
        raw_spec: Any = value
        for part in reversed(key.split(".")):
            raw_spec = {part: raw_spec}
        raw_spec = {**LEAST, **raw_spec}
        by_python = _refusal(lambda raw: read_spec(NODE, raw), raw_spec)
        by_sql = _refusal(lambda raw: macros.call("read_spec", NODE, raw), raw_spec)
        if text in ALLOWED[key]:
            assert (by_python, by_sql) == (None, None), text
            continue
        assert by_python is not None, text
        assert by_python.startswith(f"{NODE}: `mlbridge.{key}"), text
        assert not re.search(r"found (None|True|False|nan|-?inf)\b", by_python), text
        if "nan" in text or "inf" in text:
            assert by_sql is not None, text  # or the Python code that dbt writes fails with a NameError
        if by_sql is not None and "expected a finite number" not in by_sql:
            assert by_sql == by_python


def _refusal(read: Callable[[Any], object], raw_spec: Any) -> str | None:
    try:
        read(raw_spec)
    except (SpecError, RefusedError) as error:
        return str(error)
    return None


def test_what_is_too_long_to_show_is_cut(macros: Decided) -> None:
    raw_spec = {**LEAST, "split": {"gap": "9" * 5000}}
    by_python, by_sql = _refusal(lambda raw: read_spec(NODE, raw), raw_spec), _refusal(
        lambda raw: macros.call("read_spec", NODE, raw), raw_spec
    )  # fmt: skip
    assert by_python == by_sql
    assert by_python is not None
    assert by_python.endswith(f"found '{'9' * 199}... (5,002 characters).")


WORDS = st.text(alphabet="abc_dEpin ", max_size=8)


@settings(max_examples=200)
@given(st.one_of(WORDS, st.integers()), st.lists(WORDS, max_size=6), st.integers(1, 4))
def test_hints_and_lists_read_alike(word: Any, allowed: list[str], most: int) -> None:
    macros = _macros()
    assert macros.call("nearest", word, allowed) == nearest(word, allowed)
    assert macros.call("enumerated", allowed, most) == listed(allowed, most)
