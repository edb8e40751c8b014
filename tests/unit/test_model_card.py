"""The model card of versions made by hand: what it says, and that names and data are only text in it."""

from __future__ import annotations

import html
import json
import re
from datetime import datetime
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from handmade import declared, published
from handmade_versions import metric, version
from markdown_it import MarkdownIt

from mlbridge.errors import MonitorError
from mlbridge.model_card.card import SECTIONS, markdown_card, model_card
from mlbridge.model_card.document import Code, Facts, Interval, Paragraph, Points, Section, Table
from mlbridge.model_card.html import to_html
from mlbridge.model_card.lineage import origins
from mlbridge.model_card.markdown import to_markdown
from mlbridge.monitor import State

DAY = datetime(2024, 5, 1)
SCRIPT = "<script>alert('x')</script> | *b* `c` [d](http://e)"
# The headings of Mitchell et al. (2019), figure 1, in their order.
MITCHELL = (
    "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data", "Quantitative analyses",
    "Ethical considerations", "Caveats and recommendations",
)  # fmt: skip
VOID = {"meta"}  # the elements without an end that the page has


def of_spent(**values: Any) -> dict[str, Any]:
    return {"model": "spent", **values}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """Two versions of `spent`, the second rejected but pinned, with what happened since; `basket` was never trained."""
    metrics = [
        metric(number, candidate, split, name, value)
        for number, candidate, value in ((1, "forest", 6.0), (1, "ridge", 5.0), (3, "ridge", 10.0))
        for split in ("test", "validation")
        for name in ("median_absolute_error", "rmse")
    ]
    metrics += [
        metric(1, "ridge", "test", "rmse", 4.0, slice="city=<b>north</b> | *x*"),
        metric(1, "ridge", "test", "rmse", 9.75, slice="city=NULL", n=4),
        metric(1, "ridge", "test", "rmse", None, slice="city=one", n=1),
    ]
    nodes = [
        ("source.raw", "raw.visits", "source", None, "All visits", []),
        ("model.features", "spent_features", "features", "spent", SCRIPT, ["source.raw"]),
        ("model.split", "spent_split", "split", "spent", None, ["model.features"]),
        ("model.other", "basket_split", "split", "basket", None, []),
    ]
    window = of_spent(version=3, slice="all", metric="rmse", n=40, baseline=9.0, threshold=8.0, alert=False)
    drift = of_spent(version=3, window_start=DAY, baseline="training", metric="psi", threshold=0.2, is_comparable=True)
    return published(
        tmp_path_factory.mktemp("card"),
        ml_versions=[
            {**version(1), "is_retired": True},
            version(1, candidate="forest", outcome="runner_up", reason="not the best"),
            version(3, outcome="rejected", as_of=datetime(2024, 6, 1)),
        ],
        ml_metrics=metrics,
        ml_importances=[
            of_spent(version=number, feature=name, mean=mean, std=0.01, n=20)
            for number, name, mean in ((1, "visits", 0.5), (3, "visits", 0.25), (3, "discount", 2.0))
        ],
        ml_champions=[of_spent(version=3, candidate="ridge", pinned=True)],
        ml_decisions=[
            of_spent(decided_at=DAY, outcome="promoted", version=1, reason="first"),
            of_spent(decided_at=datetime(2024, 6, 2), outcome="skipped", reason="young"),
            {"model": "basket", "decided_at": DAY, "outcome": "not_trained", "reason": "12 of 50 rows"},
        ],
        ml_nodes=[
            {"node": id_, "name": name, "kind": "model", "package": "p", "stage": stage, "model": model,
             "description": text, "parents": json.dumps(parents)}
            for id_, name, stage, model, text, parents in nodes
        ],
        ml_leaks=[
            of_spent(version=3, feature="visits", check="alone", level="none", evidence="0.6", allowed=False),
            of_spent(
                version=3, feature="discount", check="alone", level="withhold", evidence=SCRIPT, allowed=True,
                reason="known before",
            ),
            *(
                of_spent(version=3, feature=name, check="known_later", level="none",
                         evidence="not decidable: no manifest", allowed=False)
                for name in ("visits", "discount")
            ),
        ],
        ml_performance=[
            {**window, "kind": "realized", "window_start": DAY, "value": 8.5, "low": 8.0, "high": 9.0, "alert": True},
            {**window, "kind": "estimated", "window_start": DAY, "value": 7.0},
            {**window, "kind": "estimated", "window_start": datetime(2024, 6, 1), "value": 7.25, "muted": "not over"},
        ],
        ml_drift=[
            {**drift, "feature": "visits", "value": 0.5, "alert": True},
            {**drift, "feature": "discount", "value": 0.1, "alert": False, "muted": "few rows"},
        ],
        ml_alerts=[
            of_spent(
                version=3, what="rmse", severity="act", since=DAY, message="8.5 > 8", action="Look", is_current=True
            )
        ],
        ml_health=[of_spent(version=3, verdict="cannot tell", reason="Too few outcomes.", action="Wait.")],
        ml_access=[
            {"node": node, "stage": stage, "model": model, "privilege": privilege, "grantee": SCRIPT,
             "is_configured": True, "is_observed": False, "unreadable_inputs": "raw.visits"}
            for node, stage, model, privilege in (
                ("ml_predictions", "score", None, "select"), ("spent_predictions", "score", "spent", "select"),
                ("spent_predictions", "score", "spent", "insert"), ("basket_predictions", "score", "basket", "select"),
                ("ml_runs", "monitor", None, "select"),
            )
        ],
        ml_windows=[of_spent(version=3, rows_scored=90), of_spent(version=3, rows_scored=10)],
        ml_predictions=[of_spent(version=3, entity=str(i), not_scored_because="city: <b>") for i in range(2)],
    )  # fmt: skip


def test_the_headings_are_those_of_model_cards(state: State) -> None:
    titles = [part.title for part in model_card(state, "spent").parts]
    assert [title for title in titles if title in MITCHELL] == list(MITCHELL)
    assert len(titles) == len(SECTIONS)


def test_a_pinned_version_that_is_worse_than_no_model(state: State) -> None:
    found = markdown_card(state, "spent", 3)
    assert found.startswith("# Model card: spent, version 3\n")
    for words in (
        "- **Status**: in use, pinned by the spec",
        "- **As of**: 2024-07-02 UTC, by the build published 2024-07-02 03:04 UTC",
        "- **Estimator**: ridge: ColumnTransformer → Ridge",
        "- **Decision**: rejected: better",
        "- **Artifact**: skops-1, SHA-256 f00d",
        "scikit-learn 1.9.1",
        "For each id, at the moment at and from what is known then, it predicts the number spent.",
        "The outcome is known at the same moment.",
        "In its owner's words, of the features: &lt;script&gt;",
        "- **Preprocessing**: simpleimputer (SimpleImputer): visits, discount; onehotencoder",
        "The spec names no slices: whether it does worse for some group of rows was not measured.",
        "rmse decides: the root of the mean squared error, in the unit of the target (lower is better).",
        "The candidate was chosen on 20 validation rows and evaluated on 15 other test rows.",
        "which begin at 2024-04-20 UTC",
        "1,090 rows with a known outcome, from 2024-01-01 to 2024-04-01 12:30 UTC; 3 features",
        "| train | 1,090 | 2024-01-01 | 2024-04-01 12:30 |",
        "| raw.visits | All visits |",
        "Looked for, with the number of columns: alone (2), known_later (2). This was found, or could not be decided:",
        "| discount | alone | withhold | &lt;script&gt;alert('x')&lt;/script&gt;",
        "| known before |",
        "| rmse | test | 10 | 9.5 to 10.5 | 9.5 | 15 |",
        "No slice was measured.",
        "| 4.5 | 5.25 | 15 |",
        "its sources stand above.",
        "| discount | DOUBLE | -1 to 12.25 | 10.0 % | 2 | 0.01 |",
        "| city | VARCHAR | 7 different | 10.0 % | \N{EN DASH} | \N{EN DASH} |",
        "The verdict of the monitor is cannot tell. Too few outcomes. Wait.",
        "| 2024-06-01 | estimated | 7.25 | \N{EN DASH} | 9 | 8 | muted | 40 |",
        "| 2024-05-01 | realized | 8.5 | 8 to 9 | 9 | 8 | yes | 40 |",
        "| act | 2024-05-01 | 8.5 &gt; 8 | Look |",
        "1 of 2 columns are farther from the training rows than their thresholds.",
        "| visits | psi | 0.5 | 0.2 |",
        "The spec pins this version. Versions that the spec retires: 1. Builds that saw no reason to train: 1.",
        "| 2024-05-01 | promoted | 1 | first |",
        "On the test rows it is not better than the naive baseline by rmse (10 against 9.5), median_absolute_error",
        "It cannot be told whether it can be relied on now: Too few outcomes.",
        "It could not score these rows, besides 100 that it is judged on.",
        "| city: &lt;b&gt; | 2 |",
        " | yes | no | raw.visits |\n| spent_predictions | &lt;script&gt;",
        "| performance | not over | 1 |",
        "| drift in the newest window | few rows | 1 |",
        "Not measured. The tables do not say whether rows are about people",
    ):
        assert words in found, words
    assert "| 2024-05-01 | estimated" not in found
    assert found.count(" | yes | no | raw.visits |") == 2
    assert "It can only predict the outcomes" not in found


def test_an_earlier_version(state: State) -> None:
    found = markdown_card(state, "spent", 1)
    for words in (
        "- **Status**: not in use any more, retired by the spec",
        "ridge had the best rmse on the validation rows.",
        "| ridge | promoted | 5 | 4.5 to 5.5 | 5 | 4.5 to 5.5 | 1.25 |\n| forest | runner up | 6 |",
        "| all | 5 | 4.5 to 5.5 | 9.5 | 15 |\n| city=&lt;b&gt;north&lt;/b&gt; \\| \\*x\\* | 4 |",
        "The training did not look for leaks, so nothing is known of them.",
        "The monitor judges the version in use only, and this one is not.",
        "No window of scored rows has been measured yet.",
        "not better than the naive baseline's: city=NULL (9.75 against 9.5, 4 rows).",
        "Slices of the test rows on which rmse is not defined: city=one.",
    ):
        assert words in found, words
    assert "On the test rows it is not better" not in found


def test_the_version_in_use_is_the_default(state: State) -> None:
    assert model_card(state, "spent") == model_card(state, "spent", 3)


@pytest.mark.parametrize(
    ("model", "number", "message"),
    [
        ("spent", 2, "'spent' has no version 2. Its versions: '1', '3'"),
        ("spend", None, "there is no model 'spend'. Did you mean 'spent'?"),
        (
            "basket",
            None,
            "'basket' has never been trained, so there is nothing to write on a card. The last build did ",
        ),
        ("basket", None, "12 of 50 rows. Run `dbt build --select +basket_predictions+`."),
        ("basket", 1, "'basket' has no version 1. Its versions: none."),
    ],
)
def test_what_is_not_there(state: State, model: str, number: int | None, message: str) -> None:
    with pytest.raises(MonitorError, match=re.escape(message)):
        model_card(state, model, number)


def test_no_version_in_use(tmp_path: Path) -> None:
    state = published(tmp_path, ml_versions=[version(1, outcome="rejected"), version(2, outcome="withheld")])
    with pytest.raises(MonitorError, match=r"no version of 'spent' is in use. Name one with --version. .* '1', '2'"):
        model_card(state, "spent")


def test_damaged_documents_are_named(tmp_path: Path) -> None:
    state = published(tmp_path, ml_versions=[{**version(1), "params": "{", "damaged_documents": "params"}])
    with pytest.raises(MonitorError, match="version 1 of 'spent' has documents that are no JSON: params"):
        model_card(state, "spent", 1)


# --- where features come from -----------------------------------------------------------------------------------


def test_the_card_says_of_how_many_rows_memory_held_a_sample(tmp_path: Path) -> None:
    sample = {"by": "entity", "rows": {"train": 90, "test": 15}, "of": {"train": 1090, "test": 200}}
    state = published(tmp_path, ml_versions=[version(1, params={"sample": sample})])
    assert "are of a sample by entity: 105 of 1,290 rows with a known outcome" in markdown_card(state, "spent", 1)


def edge(to: str, source: str, how: str = "copied", is_pii: bool = False) -> dict[str, Any]:
    (node, column), (from_node, from_column) = to.rsplit(".", 1), source.rsplit(".", 1)
    found = {"node": node, "column_name": column, "from_node": from_node, "from_column": from_column}
    return of_spent(version=1, **found, how=how, is_pii=is_pii)


EDGES = [
    edge("spent_features.visits", "visits.n", "aggregated", is_pii=True),
    edge("spent_features.visits", "prices.at", "joined on"),
    edge("visits.n", "raw.visits.count"),
    edge("visits.n", "raw.visits.day", "transformed"),
    *(edge("spent_features.city", f"raw.places.c{number}") for number in range(8)),
]


def test_a_feature_comes_from_the_columns_at_the_end_of_all_ways() -> None:
    found = {name: (str(origin), origin.is_personal) for name, origin in origins(EDGES).items()}
    first = ", ".join(f"raw.places.c{number}" for number in range(6))
    assert found == {
        "visits": ("raw.visits.count, raw.visits.day", True),
        "city": (f"{first} and 2 more", False),
    }
    loop = [edge("a.x", "b.x"), edge("b.x", "b.y"), edge("b.y", "b.x"), edge("b.y", "raw.z")]
    assert origins(loop)["x"].columns == ["raw.z"]


def test_the_card_says_where_features_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = dict.fromkeys(EDGES[0], "text") | {"version": "integer", "is_pii": "boolean"}
    tables = {**declared(), "ml_lineage": columns}
    monkeypatch.setattr("handmade.declared", lambda: tables)
    later = {**edge("spent_features.visits", "raw.tickets.sold"), "version": 2}
    found = published(tmp_path, ml_versions=[version(1), version(2), version(3)], ml_lineage=[*EDGES, later])
    first, second, third = (markdown_card(found, "spent", number) for number in (1, 2, 3))
    assert "| visits | raw.visits.count, raw.visits.day | yes |" in first
    assert "| discount | \N{EN DASH} | \N{EN DASH} |" in first
    assert "| visits | raw.tickets.sold | no |" in second
    assert "The training did not trace the columns" in third


def test_what_could_not_be_decided_is_a_row_with_its_reason(state: State) -> None:
    found = markdown_card(state, "spent", 3)
    assert "known_later (2). This was found, or could not be decided:" in found
    assert "| discount, visits | known_later | not decided | no manifest | \N{EN DASH} |" in found


# --- the page and the Markdown -----------------------------------------------------------------------------------

HOSTILE = Section(
    SCRIPT,
    [
        Paragraph(SCRIPT),
        Facts([(SCRIPT, SCRIPT)]),
        Points([SCRIPT]),
        Table([SCRIPT, "n"], [[SCRIPT, 1200], ["\x00line\nbreak", None]]),
        Code("shell", [SCRIPT, "```", "# Not a heading"]),
    ],
    [Section(SCRIPT, [], [Section(SCRIPT, [Table(["a"], [])])])],
)


class Page(HTMLParser):
    """Reads a page: its elements with their attributes, and the texts in them; refuses what is not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts[self.open[-1]][-1] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module", params=["hostile", "built"])
def page(request: pytest.FixtureRequest, state: State) -> Page:
    return Page(to_html(HOSTILE if request.param == "hostile" else model_card(state, "spent")))


def test_a_page_runs_nothing_and_loads_nothing(page: Page) -> None:
    tags = {tag for tag, _ in page.found}
    assert tags <= {
        "html", "head", "meta", "title", "style", "body", "main", "nav", "h1", "h2", "h3", "p", "ul", "li", "a", "dl",
        "dt", "dd", "div", "table", "thead", "tbody", "tr", "th", "td", "pre",
    }  # fmt: skip
    assert all(each["href"].startswith("#section-") for each in page.of("a"))
    assert not {"src", "srcset", "onclick", "style"} & {name for _, attributes in page.found for name in attributes}
    assert "url(" not in page.texts["style"][0]
    assert "@import" not in page.texts["style"][0]
    (policy,) = (each for each in page.of("meta") if "http-equiv" in each)
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_a_page_can_be_read_without_seeing_it(page: Page) -> None:
    (root,) = page.of("html")
    assert root["lang"] == "en"
    assert page.texts["title"] == page.texts["h1"]
    levels = [int(tag[1]) for tag, _ in page.found if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {each["href"] for each in page.of("a")} <= {f"#{id_}" for id_ in ids}
    assert {each["scope"] for each in page.of("th")} <= {"col", "row"}
    assert all(each["tabindex"] == "0" and each["aria-label"] for each in page.of("div"))
    assert len(page.of("div")) == len(page.of("table"))


def test_what_a_name_holds_is_text_on_the_page() -> None:
    page = Page(to_html(HOSTILE))
    for tag in ("title", "h1", "h2", "h3", "p", "dt", "dd", "th"):
        assert SCRIPT in page.texts[tag], tag
    assert "line break" in page.texts["th"]
    assert page.texts["pre"] == [f"{SCRIPT}\n```\n# Not a heading"]
    assert page.of("td") == [{"class": "number"}] * 2
    assert page.texts["td"] == ["1,200", "\N{EN DASH}"]


def test_what_a_name_holds_is_text_in_markdown() -> None:
    rendered = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(to_markdown(HOSTILE))
    assert set(re.findall(r"</?(\w+)", rendered)) == {
        "h1", "h2", "h3", "p", "ul", "li", "strong", "table", "thead", "tbody", "tr", "th", "td", "pre", "code",
    }  # fmt: skip
    cells = [html.unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", rendered)]
    assert cells == [SCRIPT, "n", SCRIPT, "1,200", "line break", "\N{EN DASH}", "a"]
    assert f"{html.escape(SCRIPT, quote=False)}\n```\n# Not a heading" in rendered.replace("&quot;", '"')


@pytest.mark.parametrize(
    ("cells", "is_number"),
    [
        ([1, None, 2.5], True),
        ([Interval(1.0, 2.0), Interval(None, None)], True),
        ([None, None], False),
        ([True, False], False),
        (["1", 2], False),
        ([DAY], False),
    ],
)
def test_which_columns_are_set_to_the_right(cells: list[Any], is_number: bool) -> None:
    assert Table(["x"], [[cell] for cell in cells]).is_number(0) is is_number
