"""What `mlbridge assess` proposes of relations whose truth is known; `benchmarks/proposals.py` counts over all."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
from proposed import proposed, read_worlds, verdicts

from mlbridge.readiness.words import names_a_key, words_of

# In English with decoys, in German, as abbreviations, without an outcome, and a panel.
SHORT = ("fct_orders", "bestellungen", "F_ORDER", "dim_customers", "leads", "fct_customer_weeks", "credit_applications")


def test_what_is_proposed_is_right(tmp_path: Path) -> None:
    worlds = [world for world in chain(*read_worlds().values()) if world.name in SHORT]
    assert len(worlds) == len(SHORT)
    for world, said, refusal in proposed(tmp_path, worlds):
        assert set(verdicts(world, said).values()) == {"right"}, (world.name, said, refusal)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("order_id", ["order", "id"]),
        ("orderId", ["order", "id"]),
        ("PULocationID", ["pu", "location", "id"]),
        ("ORDER_DTTM", ["order", "dttm"]),
        ("Verspätet am", ["verspatet", "am"]),
        ("数", []),
    ],
)
def test_the_words_of_a_name(name: str, words: list[str]) -> None:
    assert words_of(name) == words
    assert names_a_key(name) is (words[-1:] == ["id"])
