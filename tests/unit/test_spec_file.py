"""A key written into the spec in a YAML file, with all else of the file left as it was."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

from mlbridge.errors import SetupError
from mlbridge.project.spec_file import SpecFile

HEAD = """\
version: 2  # a comment

models:
    - name: other_training
      config: {meta: {mlbridge: {task: regression}}}
    - name: late_training
      config:
        meta:
          mlbridge:
            task: "classification"   # what it is
"""
TAIL = """\
        # ends the spec
    - name: late_predictions
      description: >
        folded

"""


def spec_file(text: str, folder: Path) -> SpecFile:
    path = folder / "_late.yml"
    path.write_text(text, newline="")
    return SpecFile(path, "models/_late.yml", text, "late_training")


DEEP = "            "
# What stands at the end of the spec, and what stands there once version 2 is added.
CASES = {
    "": "retire: [2]\n",
    "retire: [1]  # leaked\n": "retire: [1, 2]  # leaked\n",
    "retire: [3, 1]\n": "retire: [3, 1, 2]\n",
    "retire:   # none yet\n": "retire: [2]   # none yet\n",
    "retire:\n": "retire: [2]\n",
    "retire: null\n": "retire: [2]\n",
    "retire: []\n": "retire: [2]\n",
    "retire:\n  - 1  # leaked\n  # why\n": "retire:\n  - 1  # leaked\n  - 2\n  # why\n",
    "retire:\n- 1\npin: 3\n": "retire:\n- 1\n- 2\npin: 3\n",
    "retire: [\n  1,  # leaked\n]\n": "retire: [\n  1, 2,  # leaked\n]\n",
    "split:\n  by: hash\n": "split:\n  by: hash\nretire: [2]\n",
}


@pytest.mark.parametrize("before", CASES)
def test_one_key_changes(before: str, tmp_path: Path) -> None:
    file = spec_file(HEAD + indent(before, DEEP) + TAIL, tmp_path)
    edit = file.with_item("retire", 2)
    assert edit.text == HEAD + indent(CASES[before], DEEP) + TAIL
    lines = enumerate(zip(file.text.split("\n"), edit.text.split("\n"), strict=False), 1)
    assert edit.line == next(number for number, (old, new) in lines if old != new)


def test_a_spec_in_braces(tmp_path: Path) -> None:
    text = "models:\n- {name: late_training, config: {meta: {mlbridge: {task: x, entity: [a, b]}}}}\n"
    edit = spec_file(text, tmp_path).with_item("retire", 3)
    assert edit.text == text.replace("[a, b]", "[a, b], retire: [3]")
    assert edit.line == 2


def test_line_ends_and_the_lack_of_the_last_one(tmp_path: Path) -> None:
    text = HEAD.replace("\n", "\r\n")
    edit = spec_file(text, tmp_path).with_item("retire", 3)
    assert edit.text == text + "            retire: [3]\r\n"
    edit = spec_file(HEAD.rstrip(), tmp_path).with_item("retire", 3)
    assert edit.text == HEAD.rstrip() + "\n            retire: [3]\n"


def test_a_block_of_text_at_the_end(tmp_path: Path) -> None:
    said = "            allow_leakage:\n              tariff: >\n                the clerk\n                sets it\n"
    for tail in (TAIL, TAIL.split("\n", 1)[1]):
        edit = spec_file(HEAD + said + tail, tmp_path).with_item("retire", 3)
        assert edit.text == HEAD + said + "            retire: [3]\n" + tail


def test_the_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    file = spec_file(HEAD, tmp_path)
    file.path.chmod(0o640)
    edit = file.with_item("retire", 3)
    assert file.path.read_text() == HEAD
    file.write(edit)
    assert file.path.read_text() == edit.text
    assert file.path.stat().st_mode & 0o777 == 0o640
    assert [*tmp_path.iterdir()] == [file.path]


def test_a_spec_that_two_models_share_is_left_to_people(tmp_path: Path) -> None:
    text = (
        "models:\n- name: late_training\n  config: {meta: {mlbridge: &all {task: x}}}\n"
        "- name: early_training\n  config: {meta: {mlbridge: *all}}\n"
    )
    with pytest.raises(SetupError, match=r"Write `retire: \[3\]` into the spec of 'late_training' yourself"):
        spec_file(text, tmp_path).with_item("retire", 3)


def test_a_file_without_the_spec(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"has no `config\.meta\.mlbridge` for 'late_training', but nothing"):
        _ = spec_file("models: [{name: late_training}]\n", tmp_path).spec
    with pytest.raises(SetupError, match="is no YAML"):
        _ = spec_file("models: [", tmp_path).spec
