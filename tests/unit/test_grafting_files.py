"""The files that a branch shares with the project: with the branch they say it, and without it they are as before."""

from __future__ import annotations

import json
from itertools import chain, product, zip_longest
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from odd_projects import IGNORED, PACKAGES, PLAIN, PROJECTS, REFUSED

from mlbridge.errors import GraftError, MlbridgeError
from mlbridge.grafting.merging import merged
from mlbridge.grafting.names import nodes_of
from mlbridge.grafting.record import Record
from mlbridge.grafting.shared import Shared, declared_in
from mlbridge.grafting.yaml_edits import YamlFile

IGNORES = ("*.duckdb", "*.duckdb.wal", "*.duckdb.published/")
SHARED = (
    Shared("packages.yml", {"local": "../mlbridge"}, None, IGNORES),
    Shared("packages.yml", {"git": "https://host/mlbridge.git", "revision": "v1"}, "ml", IGNORES),
    Shared("packages.yml", None, None, ()),
)
ODD = PROJECTS | REFUSED
FLAG = "require_ref_searches_node_package_before_root"
# Every odd file at least once, with each of what a branch may need.
HOSTS = [
    (project, packages, ignored, shared)
    for (project, packages, ignored), shared in product(
        zip_longest(ODD, chain(PACKAGES, PACKAGES), chain(*[IGNORED] * 6)), SHARED
    )
]  # fmt: skip


def host(project: str | None, packages: str | None, ignored: str | None) -> dict[str, str | None]:
    return {
        "dbt_project.yml": ODD[project or "plain"],
        "packages.yml": PACKAGES[packages or "none"],
        ".gitignore": IGNORED[ignored or "none"],
    }


def declared(texts: dict[str, str | None]) -> list[str]:
    return declared_in(YamlFile("dbt_project.yml", texts["dbt_project.yml"] or ""))


def content(text: str | None) -> Any:
    return yaml.safe_load(text or "") or {}


@pytest.mark.parametrize(("project", "packages", "ignored", "shared"), HOSTS)
def test_a_branch_and_back_is_the_identity(
    project: str | None, packages: str | None, ignored: str | None, shared: Shared
) -> None:
    before = host(project, packages, ignored)
    by_hand = declared(before)
    one = shared.with_models(before, [*by_hand, "late"])
    assert declared(one) == [*by_hand, "late"]
    said, was = content(one["dbt_project.yml"]), content(before["dbt_project.yml"])
    assert said["flags"][FLAG] is ((was.get("flags") or {}).get(FLAG) is None)
    for kind in ("models", "seeds"):
        assert (said.get(kind) or {}).get("mlbridge") == (shared.schema and {"+schema": shared.schema})
    for key, value in was.items():  # all that was there is there still
        assert value is None or (said[key] == value or value.items() <= said[key].items() or key == "vars")
    assert shared.package in [*content(one["packages.yml"]).get("packages", []), None]
    assert {*shared.ignored} <= {*(one[".gitignore"] or "").splitlines()}

    two = shared.with_models(one, [*by_hand, "late", "risk"])
    assert two == shared.with_models(before, [*by_hand, "late", "risk"])
    assert declared(two) == [*by_hand, "late", "risk"]
    record = Record(shared, before)
    assert Record.of_text(record.text) == record
    for texts, models in ((one, ["late"]), (two, ["late", "risk"])):
        assert record.without_branch(texts, [*by_hand, *models]) == before
    risk = {name: merged(two[name], two[name], other)[1] for name, other in
            shared.with_models(before, [*by_hand, "risk"]).items()}  # fmt: skip
    assert declared(risk) == [*by_hand, "risk"]
    assert record.without_branch(risk, [*by_hand, "risk"]) == before


@pytest.mark.parametrize("project", ODD)
def test_what_the_user_adds_later_stays(project: str) -> None:
    before = host(project, "one", "some")
    by_hand, shared = declared(before), SHARED[1]
    text = before["dbt_project.yml"]
    grafted = shared.with_models(before, [*by_hand, "late"])
    head = "# A note of ours.\n" if not project.startswith(("a mark", "a document")) else ""
    edited = {**grafted, "dbt_project.yml": head + (grafted["dbt_project.yml"] or "")}
    edited[".gitignore"] = f"notes/\n{edited['.gitignore']}"
    assert Record(shared, before).without_branch(edited, declared(edited)) == {
        **before, "dbt_project.yml": f"{head}{text}", ".gitignore": f"notes/\n{before['.gitignore']}"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vars: '{{ env_var(\"V\") }}'\n", "says `vars: {{ env_var"),
        ("vars: [a]\n", "where a mapping is expected"),
        ("vars: {mlbridge_models: late}\n", "expected a list of names"),
        ("vars: {mlbridge_models: \"{{ var('x') }}\"}\n", "expected a list of names"),
        ("vars: {shop: {mlbridge_models: [late]}}\n", "where dbt hides it from the package"),
        ("vars: {mlbridge_models: [a, a]}\n", "is listed twice"),
        ("x: &v {a: 1}\nvars: *v\n", "cannot be added by itself"),
        ("vars: {a: [}\n", "is no YAML"),
        ("flags: on\n", "says true at `flags.require"),
        ("models: all\n", "says 'all' at `models.mlbridge"),
    ],
)
def test_a_form_of_its_own_is_refused_in_a_sentence(text: str, message: str) -> None:
    before = {"dbt_project.yml": PLAIN + text, "packages.yml": None, ".gitignore": None}
    with pytest.raises(MlbridgeError) as raised:
        SHARED[1].with_models(before, [*declared(before), "late"])
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_packages_that_are_no_list_are_refused() -> None:
    before = {"dbt_project.yml": PLAIN, "packages.yml": "packages: {local: utils}\n", ".gitignore": None}
    with pytest.raises(GraftError, match=r"'packages.yml' says .* at `packages`"):
        SHARED[0].with_models(before, ["late"])


LINES = st.lists(st.sampled_from(["a\n", "b\n", "\n", "c\n"]), max_size=8)


@given(LINES, LINES)
def test_merging_into_the_same_text_is_the_other_one(base: list[str], other: list[str]) -> None:
    assert merged("".join(base), "".join(base), "".join(other)) == (True, "".join(other))
    assert merged("".join(base), "".join(other), "".join(base)) == (True, "".join(other))


def test_merging_takes_lines_out_between_edits() -> None:
    assert merged("a\nb\nc\n", "0\na\nb\nc\nd\n", "a\nc\n") == (True, "0\na\nc\nd\n")
    assert merged("a\nb\nc\n", "a\nB\nc\n", "a\nc\n") == (False, "a\nB\nc\n")
    assert merged("a\nb\nc\nd\n", "a\nc\nd\n", "a\nc\n") == (True, "a\nc\n")  # one of two is taken out already
    assert merged("a\nb\nc\nd\n", "c\nd\n", "c\n") == (True, "c\n")
    assert merged("a\nb\nc\nd\n", "a\nc\nd\n", "a\nd\n") == (True, "a\nd\n")
    assert merged("a\nb\nc\nd\n", "a\nc\nx\nd\n", "a\nd\n") == (False, "a\nc\nx\nd\n")
    assert merged(None, "mine\n", "theirs\n") == (False, "mine\n")
    assert merged("made\n", None, None) == (True, None)


def test_a_damaged_record_is_refused() -> None:
    for text in ("", "{", "[]", "{}", json.dumps({"format": 1})):
        with pytest.raises(GraftError, match="cannot be read"):
            Record.of_text(text)
    with pytest.raises(GraftError, match="of a newer mlbridge"):
        Record.of_text('{"format": 3}')


def test_a_record_with_one_schema_for_a_model_is_read() -> None:
    now = json.loads(Record(SHARED[0], {}, {"late": {}}).text)
    found = Record.of_text(json.dumps(now | {"format": 1, "schemas": {"late": "lab"}}))
    assert found.schemas == {"late": dict.fromkeys(nodes_of("late"), "lab")}
