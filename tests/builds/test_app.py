"""Every page of the monitor, of a whole build and of builds that lack something: Streamlit's own test runner."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import published
import pytest
from dbt_host import ROOT, Host
from streamlit.testing.v1 import AppTest

APP = str(ROOT / "streamlit_app" / "app.py")
PAGES = ("overview", "performance", "drift", "versions", "predictions", "runs", "pipeline")
OF_A_MODEL = ("performance", "drift", "versions", "predictions")
# A change is tested with one page where all go the same way; the slower set has all.
EACH_PAGE = [PAGES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in PAGES[1:])]
EACH_OF_A_MODEL = [OF_A_MODEL[0], *(pytest.param(name, marks=pytest.mark.slow) for name in OF_A_MODEL[1:])]


@pytest.fixture(scope="module")
def folder(aged_shop: Host) -> Path:
    """What the shop's three builds have published: two models, two versions each."""
    return aged_shop.published


@pytest.fixture(scope="module", autouse=True)
def scanned_once() -> Iterator[None]:
    """Look through the installed packages for components of Streamlit once, not each time that a page is opened."""
    from streamlit.components.v2 import manifest_scanner

    with pytest.MonkeyPatch.context() as patch:
        scan = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Open a page of a published folder with query parameters; nothing may have gone wrong on it."""

    def opened(folder: Path, name: str = "overview", **parameters: str) -> AppTest:
        import streamlit as st

        app = AppTest.from_file(APP, default_timeout=60)
        # Pages are known after a first one; without a build that costs next to nothing.
        for place in (folder / "nothing", folder):
            st.cache_data.clear()
            st.cache_resource.clear()
            monkeypatch.setenv("MLBRIDGE_PUBLISHED", str(place))
            app.run()
            if place != folder:
                app.switch_page(f"pages/{name}.py")
                for key, value in parameters.items():
                    app.query_params[key] = value
        assert not app.exception, [each.value for each in app.exception]
        assert not app.error
        assert not re.search(r"\b(nan|NaN|NaT|<NA>)\b", text_of(app)), text_of(app)
        return app

    return opened


def text_of(app: AppTest) -> str:
    """Give all words on the page."""
    kinds = (
        app.title,
        app.header,
        app.subheader,
        app.markdown,
        app.caption,
        app.info,
        app.warning,
        app.metric,
        app.code,
    )
    words = [f"{getattr(each, 'label', '')} {each.value}" for kind in kinds for each in kind]
    return "\n".join(words).replace("\\", "")


@pytest.mark.parametrize("name", PAGES)
def test_every_page(folder: Path, open_page: Callable[..., AppTest], name: str) -> None:
    app = open_page(folder, name)
    assert app.title[0].value == name.title()
    assert "Nothing to show" not in text_of(app)
    assert len(text_of(app)) > 400


@pytest.mark.parametrize("model", ["basket", "amount"])
@pytest.mark.parametrize("name", OF_A_MODEL)
def test_every_page_of_each_model(folder: Path, open_page: Callable[..., AppTest], name: str, model: str) -> None:
    app = open_page(folder, name, model=model)
    assert app.selectbox(key="model").value == model


@pytest.mark.parametrize("name", EACH_PAGE)
def test_nothing_published(tmp_path: Path, open_page: Callable[..., AppTest], name: str) -> None:
    app = open_page(tmp_path / "nothing", name)
    assert "Nothing to show yet" in text_of(app)
    assert "Run `dbt build`" in text_of(app)


@pytest.fixture(scope="module")
def torn(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published folder in which a file ends in the middle."""
    found = published.changed(folder, tmp_path_factory.mktemp("torn"))
    (found / "current" / "build.json").write_text('{"build": ')
    return found


@pytest.mark.parametrize("name", EACH_PAGE)
def test_damaged(torn: Path, open_page: Callable[..., AppTest], name: str) -> None:
    app = open_page(torn, name)
    assert "cannot be read" in text_of(app)


WANTING: dict[str, tuple[dict[str, str], dict[str, tuple[str, ...]]]] = {
    "never trained": (
        published.NEVER_TRAINED,
        dict.fromkeys(OF_A_MODEL, ("has never been trained", "dbt build"))
        | {"overview": ("Cannot tell", "has never been trained")},
    ),
    "few rows": (
        published.FEW_ROWS,
        dict.fromkeys(("overview", *OF_A_MODEL), ("train has 12 of at least 50 rows", "dbt build")),
    ),
    "no champion": (
        published.NO_CHAMPION,
        {
            "overview": ("No version is in use", "not better than the naive baseline"),
            "performance": ("has no champion", "not better than the naive baseline"),
            "drift": ("has no champion",),
            "versions": ("rejected",),
            "predictions": ("has no champion",),
        },
    ),
    "no labels": (
        published.NO_LABELS,
        {
            "overview": ("Cannot tell", "No outcome is known yet"),
            "performance": ("No outcome is known yet",),
            "drift": ("Drift map",),
            "predictions": ("outcome",),
        },
    ),
    "one window": (
        published.ONE_WINDOW,
        {"performance": ("One window only",), "drift": ("Drift map",), "overview": ("rmse per month",)},
    ),
    "all skipped": (
        published.ALL_SKIPPED,
        {
            "overview": ("Act", "The last build skipped: "),
            "runs": ("Builds",),
            "pipeline": ("nodes were skipped by the last build",),
        },
    ),
    "failed at once": (
        published.FAILED_AT_ONCE,
        dict.fromkeys(OF_A_MODEL, ("has never been trained", "dbt build"))
        | {"overview": ("Act", "In the last build this failed: "), "runs": ("no such column",)},
    ),
    "overdue": (
        published.OVERDUE,
        {"overview": ("one was expected by 2 Aug 2024", "**amount, basket**", "`mlbridge doctor` says who holds it")},
    ),
    "not measured": (
        published.NOT_MEASURED,
        {"overview": ("Nothing measured yet",), "performance": ("Not measured yet", "Error analysis", "Residuals")},
    ),
    "no slices": (published.NO_SLICES, {"performance": ("No slices", "monitor: {slices: [")}),
    "no runs": (published.without("ml_runs"), {"runs": ("No run",), "pipeline": ("never",), "overview": ("Overview",)}),
}


@pytest.fixture(scope="module")
def wanting(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the published folder of a case, which its pages share."""
    return functools.cache(lambda case: published.changed(folder, tmp_path_factory.mktemp("wanting"), WANTING[case][0]))


@pytest.mark.parametrize(("case", "name"), [(case, name) for case in WANTING for name in WANTING[case][1]])
def test_what_is_wanting_is_said(
    wanting: Callable[[str], Path], open_page: Callable[..., AppTest], case: str, name: str
) -> None:
    app = open_page(wanting(case), name)
    for words in WANTING[case][1][name]:
        assert words in text_of(app), text_of(app)


def test_the_version_in_use_says_how_much_skill_it_has(folder: Path, open_page: Callable[..., AppTest]) -> None:
    assert " of the way from baseline to perfect" in text_of(open_page(folder, "versions", model="amount"))


def test_one_window_has_no_window_before(folder: Path, tmp_path: Path, open_page: Callable[..., AppTest]) -> None:
    one = published.changed(folder, tmp_path / "one", published.ONE_WINDOW)
    assert "One window only" in text_of(open_page(one, "drift", baseline="previous"))


@pytest.mark.parametrize("name", ["performance", "predictions"])
def test_a_version_that_answered_another_question(
    folder: Path, tmp_path: Path, open_page: Callable[..., AppTest], name: str
) -> None:
    other = published.changed(folder, tmp_path / "other", published.OF_ANOTHER_KIND)
    app = open_page(other, name, model="amount", version="1")
    assert "Residuals" not in text_of(app)


def test_two_hundred_features(folder: Path, tmp_path: Path, open_page: Callable[..., AppTest]) -> None:
    many = published.changed(folder, tmp_path / "many", published.many_features(folder, 200))
    app = open_page(many, "drift")
    features = app.selectbox(key="feature").options
    assert len(features) >= 200
    assert f"of {len(features)} in the order chosen" in text_of(app)
    pages = app.selectbox(key="page")
    assert features.index(app.selectbox(key="feature").value) // 30 + 1 == int(pages.value)
    assert len(pages.options) == -(-len(features) // 30)
    pages.set_value(pages.options[-1]).run()
    assert not app.exception
    assert f"Features {30 * (len(pages.options) - 1) + 1} to {len(features)} of {len(features)}" in text_of(app)
    assert app.query_params["page"] in (pages.options[-1], [pages.options[-1]])


def test_an_overdue_build_is_on_the_first_screen(
    folder: Path, tmp_path: Path, open_page: Callable[..., AppTest]
) -> None:
    """Before what else is wrong, and in the table of all models: what the build that is there says may be old."""
    app = open_page(published.changed(folder, tmp_path / "overdue", published.OVERDUE))
    assert text_of(app).index("No build since") < text_of(app).index("Look whether the sources still deliver")
    assert set(app.dataframe[0].value["last build"]) == {"! overdue since 2 Aug 2024"}


def test_fifty_models(folder: Path, tmp_path: Path, open_page: Callable[..., AppTest]) -> None:
    """The worst have a card; all are in the table, and a graph that nobody could read is not drawn."""
    many = published.changed(folder, tmp_path / "many", published.many_models(folder, 25))
    app = open_page(many)
    assert "50 models" in text_of(app)
    assert "The first 8 in full, worst first" in text_of(app)
    assert len(app.dataframe[0].value) == 50
    app = open_page(many, "pipeline")
    assert "No graph of all models" in text_of(app)
    app.selectbox(key="model").set_value("amount_7").run()
    assert not app.exception
    assert "From sources to predictions" in text_of(app)


def test_the_way_of_a_column(folder: Path, open_page: Callable[..., AppTest]) -> None:
    """A feature back to the sources, a source column to what depends on it; the link keeps the choice."""
    app = open_page(folder, "pipeline", model="amount")
    columns = app.selectbox(key="column").options
    assert f"What {columns[0]} comes from" in text_of(app)
    app.selectbox(key="column").set_value(columns[-1]).run()
    assert not app.exception
    assert f"What {columns[-1]} goes into" in text_of(app)
    assert app.query_params["column"] in (columns[-1], [columns[-1]])
    assert not open_page(folder, "pipeline", model="amount", column=columns[-1]).exception


@pytest.mark.parametrize(("name", "least"), [("performance", 1_000), ("drift", 50), ("predictions", 100)])
def test_three_years_of_days(
    folder: Path, tmp_path: Path, open_page: Callable[..., AppTest], name: str, least: int
) -> None:
    many = published.changed(folder, tmp_path / "many", published.many_days(1_095))
    app = open_page(many, name, model="amount", version="2")
    assert len(app.selectbox(key="window").options) > least


@pytest.mark.parametrize("tab", ["Every window", "Against the target", "Correlations"])
def test_the_tabs_about_a_feature(folder: Path, open_page: Callable[..., AppTest], tab: str) -> None:
    app = open_page(folder, "drift", model="amount", feature="visits", more=tab)
    titles = {"Every window": "visits: distribution per", "Against the target": "visits against the target"}
    assert titles.get(tab, "orrelations") in text_of(app)
    assert app.query_params["more"] in (tab, [tab])


def test_an_open_page_shows_a_newer_build(folder: Path, tmp_path: Path, open_page: Callable[..., AppTest]) -> None:
    """What was asked of a build is kept for that build only."""
    open_one = published.changed(folder, tmp_path / "published")
    app = open_page(open_one, "versions", model="amount")
    assert "newer words" not in text_of(app)
    newer = {"ml_decisions": "select * replace ('newer words' as reason) from ml_decisions"}
    published.changed(folder, open_one, newer)
    app.run()
    assert not app.exception
    assert "newer words" in text_of(app)


def test_alerts_are_told_with_their_figures(folder: Path, tmp_path: Path, open_page: Callable[..., AppTest]) -> None:
    many = {
        "ml_alerts": """
            select unnest(['basket']) as model, 'drift of f' || i as what, "window", window_end, 2 as version,
                'drift' as about, since, true as is_current, 'drift of f' || i || ': psi 0.9' as message,
                case when i < 10 then 'look' else 'note' end as severity, 'ask its source.' as action,
                'f' || i as feature, 'previous' as baseline, null::varchar as kind, null::varchar as slice,
                null::varchar as metric,
                case when i < 10 then 'ten' else 'one' end as incident, false as more_missing
            from (select * from ml_alerts limit 1), range(11) as t(i)
        """
    }
    app = open_page(published.changed(folder, tmp_path / "alerts", many))
    assert "drift of f0: psi 0.9. Drifted: f0, f1, f2, f3, f4 and 5 more" in text_of(app)
    assert "10 alerts" in {each.label for each in app.expander}
    for number in range(1, 11):
        assert f"drift of f{number}: psi 0.9" not in text_of(app)  # folded away
    app.toggle(key="notes").set_value(True).run()
    assert not app.exception
    assert "drift of f10: psi 0.9" in text_of(app)
    app.session_state["behind ten"] = True
    app.run()
    assert not app.exception
    assert "**Look**, basket: drift of f1: psi 0.9, since " in text_of(app)
    assert ". ask its source." in text_of(app)


@pytest.mark.parametrize("tolerance", [0.5, 7.3])
def test_how_many_are_off_by_at_most(
    folder: Path, open_page: Callable[..., AppTest], aged_shop: Host, tolerance: float
) -> None:
    ((expected,),) = aged_shop.rows(
        f"select avg((abs(actual_value - prediction_value) <= {tolerance})::int) from main_insight.ml_predictions "
        "where model = 'amount' and version = 2 and actual_value is not null"
    )
    app = open_page(folder, "performance", model="amount", version="2", tolerance=str(tolerance))
    assert f"{100 * expected:.1f} % of the rows have an absolute error of at most" in text_of(app)


@pytest.fixture(scope="module")
def hostile(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published folder whose names and words look like something else."""
    return published.changed(folder, tmp_path_factory.mktemp("hostile"), published.HOSTILE_NAMES)


@pytest.mark.parametrize("name", EACH_PAGE)
def test_what_the_data_contain_is_only_text(hostile: Path, open_page: Callable[..., AppTest], name: str) -> None:
    app = open_page(hostile, name)
    for kind in (app.markdown, app.caption, app.info):
        for each in kind:
            assert "<script" not in each.value.replace("\\<", "")
            assert not getattr(each, "allow_html", False)


def test_a_link_keeps_the_state(folder: Path, open_page: Callable[..., AppTest]) -> None:
    app = open_page(folder, "performance", model="amount", metric="mae", version="1", at_least="0.5")
    assert app.selectbox(key="metric").value == "mae"
    assert app.selectbox(key="version").value == "1"
    assert "mae per" in text_of(app)
    app = open_page(folder, "performance", model="basket", at_least="0.5")
    assert app.slider(key="at_least").value == pytest.approx(0.5)


@pytest.mark.parametrize("name", PAGES[1:])
def test_the_address_names_every_choice(folder: Path, open_page: Callable[..., AppTest], name: str) -> None:
    """Also those that are the default now: they may be another one after the next build."""
    app = open_page(folder, name)
    chosen = {box.key: str(box.value) for box in app.selectbox} | {each.key: each.value for each in app.slider}
    assert chosen
    parameters = {key: value[0] if isinstance(value, list) else value for key, value in app.query_params.items()}
    assert {
        key: float(parameters[key]) if isinstance(value, float) else parameters[key] for key, value in chosen.items()
    } == chosen
    box = app.selectbox[0]
    box.set_value(box.options[-1]).run()
    assert not app.exception
    assert app.query_params[box.key] in (box.options[-1], [box.options[-1]])


def test_a_click_wins_over_the_link_that_was_opened(folder: Path, open_page: Callable[..., AppTest]) -> None:
    app = open_page(folder, "performance", model="amount", metric="mae")
    app.selectbox(key="model").set_value("basket").run()
    assert not app.exception
    assert app.selectbox(key="model").value == "basket"
    assert app.selectbox(key="metric").value != "mae"
    assert app.query_params["model"] in ("basket", ["basket"])


UNKNOWN = {
    "model": ("nobody", OF_A_MODEL), "metric": ("'; drop table t; --", ("performance", "drift", "versions")),
    "version": ("99", OF_A_MODEL), "feature": ("<script>", ("drift",)),
    "window": ("1900-01-01", ("drift", "performance")),
    "slice": ("x=y", ("performance",)), "baseline": ("none", ("drift",)),
}  # fmt: skip


@pytest.mark.parametrize(("key", "name"), [(key, name) for key in UNKNOWN for name in UNKNOWN[key][1]])
def test_a_link_to_what_is_not_there_says_so(
    folder: Path, open_page: Callable[..., AppTest], key: str, name: str
) -> None:
    """It shows nothing else in its place, names what there is, and goes on with what is chosen then."""
    unknown = UNKNOWN[key][0]
    app = open_page(folder, name, **{key: unknown})
    assert f"There is no {key if key != 'baseline' else 'against'} '" in text_of(app)
    box = app.selectbox(key=key)
    assert box.value is None
    for option in box.options[:2]:
        assert f"'{option}'" in text_of(app)
    box.set_value(box.options[0]).run()
    assert not app.exception
    assert "There is no" not in text_of(app)
    assert app.query_params[key] in (box.options[0], [box.options[0]])


@pytest.mark.parametrize("parameters", [{"threshold": "7"}, {"threshold": "x"}, {"all_models": "?"}], ids=str)
@pytest.mark.parametrize("name", EACH_OF_A_MODEL)
def test_a_link_with_an_impossible_number(
    folder: Path, open_page: Callable[..., AppTest], name: str, parameters: dict[str, Any]
) -> None:
    app = open_page(folder, name, **parameters)
    assert app.title[0].value == name.title()
