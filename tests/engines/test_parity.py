"""What trains is what scores: what a candidate sees, and the proof before a promotion that it says the same later."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from branch import Branch
from estimators import Coded, Forgetful, Noisy, Ranking, Squared, Steady
from sklearn.metrics import roc_auc_score

from mlbridge.scoring import parity

WHOLE = {"n": "i % 100", "is_late": "case when i < 400 then i % 100 + 20 * noise > 60 end"}


def _own(candidate: Any, columns: dict[str, str | None] | None = None, **spec: Any) -> tuple[Branch, dict[str, Any]]:
    """Train a candidate of one's own alone; gives the branch and its logbook row.

    The split is not by time: the outcomes follow a counter, which recent outcomes would tell as well as the candidate.
    """
    spec = {"promote": {"block": "row"}, "split": {"by": "hash"}, **spec}
    branch = Branch(columns, candidates=[], trusted=[f"estimators.{type(candidate).__name__}"], **spec)
    return branch, branch.train({"mine": candidate})


def _stated(row: dict[str, Any]) -> float:
    """Give what the metrics say of the test rows."""
    (found,) = (
        each["value"]
        for each in json.loads(row["metrics"])
        if (each["split"], each["slice"], each["metric"]) == ("test", "all", "roc_auc")
    )
    return float(found)


def _of_predictions(branch: Branch) -> float:
    """Measure the same on the predictions of the same rows."""
    branch.predict()
    rows = branch.rows("select is_late, probability from late_predictions join late_split on entity = id "
                       "where ml_split = 'test'")  # fmt: skip
    assert len(rows) == 60
    return float(roc_auc_score([row["is_late"] for row in rows], [row["probability"] for row in rows]))


@pytest.mark.parametrize("type_", ["tinyint", "smallint", "bigint", "hugeint", "float", "double", "decimal(9, 2)"])
def test_a_square_of_whole_numbers_is_the_same_in_training_and_scoring(type_: str) -> None:
    branch, row = _own(Squared(), {**WHOLE, "n": f"cast(i % 100 as {type_})"}, features=["n"])
    assert row["outcome"] == "promoted"
    assert _stated(row) > 0.8
    assert _stated(row) == _of_predictions(branch)


def test_a_candidate_that_looks_at_codes_sees_those_of_training_in_every_batch() -> None:
    # Each text has a share of its own; test and open rows lack some texts, and have some that training never saw.
    columns: dict[str, str | None] = {
        "text": "case when i < 280 then ['a', 'c', 'e', 'g'][1 + i % 4] else ['b', 'z', 'e', 'g'][1 + i % 4] end",
        "is_late": "case when i < 400 then i % 4 > 1 and noise < 0.6 or noise > 0.9 end",
    }
    branch, row = _own(Coded(), columns, features=["text"])
    assert row["outcome"] == "promoted"
    assert json.loads(row["categories"]) == {"text": ["a", "c", "e", "g"]}
    assert _stated(row) == _of_predictions(branch)


def test_a_version_of_before_the_texts_were_kept_scores_as_it_did() -> None:
    columns: dict[str, str | None] = {
        "text": "['a', 'c', 'e', 'g'][1 + i % 4]",
        "is_late": "case when i < 400 then i % 4 > 1 and noise < 0.6 or noise > 0.9 end",
    }
    branch, _ = _own(Coded(), columns, features=["text"])
    shares = dict(branch.connection.execute(
        "select ['a', 'c', 'e', 'g'][1 + i % 4], avg((i % 4 > 1 and noise < 0.6 or noise > 0.9)::int) "
        "from base where i < 280 group by 1").fetchall())  # fmt: skip

    def probabilities() -> list[float]:
        return sorted({row["probability"] for row in branch.arrow_of_predict().to_pylist()})

    branch.split({**columns, "text": "['c', 'g'][1 + i % 2]"})
    assert probabilities() == pytest.approx(sorted([shares["c"], shares["g"]]))
    branch.execute("alter table late_training drop column categories")
    assert probabilities() == pytest.approx(sorted([shares["a"], shares["c"]]))


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (Noisy(), "other scores than it was evaluated by for 60 of 60 test rows, by up to"),
        (Ranking(), "A row must get the same score in any batch, order and process"),
        (Forgetful(), "read back from its artifact and run as a build runs it, it gives other scores"),
    ],
)
def test_what_says_something_else_later_is_not_promoted(candidate: Any, words: str) -> None:
    branch, row = _own(candidate)
    assert row["outcome"] == "rejected"
    assert words in row["reason"]
    assert branch.predict() == []


@pytest.mark.parametrize("candidate", ["logistic_regression", "random_forest", "hist_gradient_boosting"])
def test_the_stock_candidates_are_proved(candidate: str) -> None:
    branch = Branch({"n": "i % 100", "sold": "i % 2 = 0", "many": "'t' || i % 60"}, candidates=[candidate])
    row = branch.train()
    assert row["outcome"] == "promoted"
    assert _stated(row) == pytest.approx(_of_predictions(branch), abs=1e-12)


def test_the_first_row_that_differs_is_named_with_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    right = parity._scores

    def wrong(version: Any, rows: Any, like: Any) -> Any:
        found = right(version, rows, like)
        places = rows[parity.POSITION].to_numpy()
        found[np.isin(places, [7, 31])] += 0.125
        return found

    monkeypatch.setattr(parity, "_scores", wrong)
    _, row = _own(Steady())
    assert "for 2 of 60 test rows, by up to 0.125; the first is the entity k347. " in row["reason"]


def test_of_many_test_rows_some_are_scored_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "PROVED_ROWS", 20)
    _, row = _own(Steady())
    assert row["outcome"] == "promoted"
    _, row = _own(Noisy())
    assert "for 20 of 20 test rows" in row["reason"]
