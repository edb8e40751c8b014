"""Each covered estimator, run by Spark over rows that hurt, against scikit-learn."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest
from compile_case import ROUNDED
from compile_cases import CASES
from compiled import (
    NUMBERS,
    TEXTS,
    WORDS,
    answer_function,
    answers,
    differences,
    literals_of,
    row_answers,
    rows_that_hurt,
    rows_to_fit,
    sql_of,
    targets,
)
from pyspark.sql import SparkSession
from pyspark.sql import types as sp
from sklearn import ensemble as en
from sklearn import preprocessing as pp
from sklearn import tree as tr
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mlbridge import to_sql
from mlbridge.compile.catalogue import COVERED

pytestmark = pytest.mark.slow

# The first case of one estimator for each translator.
FIRST = tuple((name, 0) for name in {COVERED[name].translate: name for name in reversed(CASES)}.values())
# More of those whose SQL differs from case to case.
MORE = (
    ("sklearn.SimpleImputer", 3), ("sklearn.SimpleImputer", 5),
    ("sklearn.PowerTransformer", 1),
    ("sklearn.FunctionTransformer", 2), ("sklearn.FunctionTransformer", 3), ("sklearn.FunctionTransformer", 5),
    ("sklearn.OneHotEncoder", 3), ("sklearn.OneHotEncoder", 4), ("sklearn.OneHotEncoder", 5),
    ("sklearn.OrdinalEncoder", 1), ("sklearn.OrdinalEncoder", 3), ("sklearn.TargetEncoder", 2),
    ("sklearn.KBinsDiscretizer", 1),
    ("sklearn.LinearRegression", 1), ("sklearn.TweedieRegressor", 0), ("sklearn.LinearSVC", 1),
    ("sklearn.LogisticRegression", 1), ("sklearn.SGDClassifier", 1),
    ("sklearn.DecisionTreeClassifier", 3), ("sklearn.RandomForestClassifier", 4),
    ("sklearn.HistGradientBoostingClassifier", 2), ("sklearn.HistGradientBoostingClassifier", 3),
    ("sklearn.HistGradientBoostingClassifier", 5), ("sklearn.GradientBoostingClassifier", 1),
    ("sklearn.VotingClassifier", 2), ("sklearn.StackingClassifier", 1), ("sklearn.CalibratedClassifierCV", 2),
)  # fmt: skip


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Spark within one Java process of the tests' own, which is heard on this machine only and gone afterwards."""
    assert shutil.which("java"), "install Debian's package `default-jre-headless`"
    folder = tmp_path_factory.mktemp("spark")
    settings = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # a start in half the time
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.local.dir": str(folder / "local"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.delenv("SPARK_CONNECT_MODE_ENABLED", raising=False)  # where this process was a client of a server before
        session = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        gateway = session.sparkContext._gateway
        yield session
        session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()  # at which it ends
    gateway.proc.wait(60)


@contextmanager
def told_to(spark: SparkSession, setting: str, value: str) -> Iterator[None]:
    before = spark.conf.get(setting)
    spark.conf.set(setting, value)
    yield
    spark.conf.set(setting, before)


def load(spark: SparkSession, rows: pd.DataFrame, texts: Sequence[str] = (), nan_is_null: bool = False) -> None:
    """Fill the table `t`; a missing number is NULL or NaN, a missing text always NULL."""
    fields = [sp.StructField(name, sp.StringType() if name in texts else sp.DoubleType()) for name in rows.columns]

    def value_of(each: Any, name: str) -> Any:
        missing = isinstance(each, float) and math.isnan(each)
        return None if missing and (nan_is_null or name in texts) else each

    values = [
        (index, *map(value_of, row, rows.columns)) for index, row in enumerate(rows.itertuples(index=False, name=None))
    ]
    frame = spark.createDataFrame(values, sp.StructType([sp.StructField("id", sp.IntegerType()), *fields]))
    frame.createOrReplaceTempView("t")


def answered(spark: SparkSession, sql: str) -> list[Any]:
    """Run a query that keeps `id`; give its other columns in the order of that."""
    return [values for _, *values in sorted(map(tuple, spark.sql(sql).collect()), key=lambda row: row[0])]


@pytest.mark.parametrize(("name", "index"), FIRST + MORE)
def test_parity(name: str, index: int, spark: SparkSession) -> None:
    """The first case of a translator also where Spark gives NULL in the place of an error."""
    case = CASES[name][index]
    estimator = case.fitted()
    sql = sql_of(estimator, "spark")
    rows = rows_that_hurt(case.frame(), literals_of(sql, most=20))
    expected = row_answers(answer_function(estimator), rows)
    load(spark, rows, TEXTS, nan_is_null=index % 2 == 0)
    # Java's StrictMath.exp is not the C library's: every tenth number or so is the double beside it.
    tolerance = max(case.tolerance, ROUNDED) if "EXP(" in sql else case.tolerance
    for strict in ("true", "false") if (name, index) in FIRST else ("true",):
        with told_to(spark, "spark.sql.ansi.enabled", strict):
            wrong = differences(expected, answered(spark, sql), tolerance)
        assert not wrong, (strict, len(wrong), rows.iloc[wrong[0][0]].to_dict(), wrong[:3])


def test_names_and_texts_are_only_what_they_are(spark: SparkSession) -> None:
    names = ['a"b', "a`b", "a.b", "select 1; --", "back\\slash", "new\nline", "Straße", "tree", "ml_step_2"]
    classes = ['x"', "y'; --", "z\n", "b\\", "b`k", "\\n", "%", "\\%", "\\u0041"]
    index = np.arange(60)
    numbers = pd.DataFrame({name: index % (each + 2) for each, name in enumerate(names)}, dtype=float)
    target = np.array(classes, dtype=object)[index % len(classes)]
    estimator: Any = tr.DecisionTreeClassifier().fit(numbers, target)
    load(spark, numbers)
    found = answered(spark, to_sql(estimator, "t", "spark", ["id"]))
    assert not differences(answers(estimator)(numbers), found, 0)


@pytest.mark.parametrize("many", [7, 100])
def test_a_text_is_what_it_is(many: int, spark: SparkSession) -> None:
    """Compared one by one, and joined."""
    words = [
        *WORDS, "\\", "\\n", "\n", "\\'", "%", "\\%", "_", "\\_", "\\u0041", "\\101", '"', "`", "\t", "''", "a\u0301",
        "${}", "${none}", "${spark.master}", "${env:HOME}", "$${none}${none}", "$", "{none}", "local[2]",
    ]  # fmt: skip
    texts = pd.DataFrame({"text": pd.Series(words, dtype=object)})
    codes = pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    for first in range(0, len(words), many):
        known = texts.iloc[first : first + many]
        estimator: Any = make_pipeline(codes, tr.DecisionTreeRegressor()).fit(known, np.arange(len(known)))
        load(spark, texts, ["text"])
        found = answered(spark, to_sql(estimator, "t", "spark", ["id"]))
        assert not differences(answers(estimator)(texts), found, 0)


def test_a_joined_number_is_what_it_is(spark: SparkSession) -> None:
    known = pd.DataFrame({"n": np.arange(20.0)})
    rows = pd.DataFrame({"n": [*known["n"], -0.0, 0.5, 1e300, np.nan]})
    codes = pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    estimator: Any = make_pipeline(codes, tr.DecisionTreeRegressor()).fit(known, known["n"] ** 2)
    load(spark, rows)
    sql = to_sql(estimator, "t", "spark", ["id"])
    assert "JOIN" in sql
    assert not differences(answers(estimator)(rows), answered(spark, sql), 0)


TYPED = """
select id, case when id % 7 > 0 then id % 3 = 0 end as flag,
case when id % 11 > 0 then date_add(date '1969-12-20', cast(id as int)) end as day,
timestamp_micros(1711846800123456 + id * 900000000) as moment,
timestamp_ntz '2024-03-10 00:00:00.123456' + make_dt_interval(0, 0, 0, id * 900) as clock,
case when id % 5 > 0 then cast(id / 100 as decimal(18, 3)) end as price, 9007199254740993 + id as big
from range(120)
"""


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_types_are_read_as_a_frame_reads_them(zone: str, spark: SparkSession) -> None:
    """Booleans, dates, moments, decimals, whole numbers beyond 2^53, and an hour that the session's zone leaves out."""
    index = np.arange(120)
    read = pd.DataFrame(
        {
            "flag": np.where(index % 7 > 0, index % 3 == 0, np.nan),
            "day": np.where(index % 11 > 0, (index - 12) * 86400.0, np.nan),
            "moment": (1711846800123456 + index * 900000000) / 1e6,
            "clock": (1710028800123456 + index * 900000000) / 1e6,
            "price": np.where(index % 5 > 0, index / 100, np.nan),
            "big": (9007199254740993 + index).astype(np.float64),
        }
    )
    types = {"flag": "boolean", "day": "date", "moment": "timestamp", "clock": "timestamp_ntz"}
    with told_to(spark, "spark.sql.session.timeZone", zone):
        spark.sql(TYPED).createOrReplaceTempView("t")
        for name in read.columns:
            estimator: Any = en.HistGradientBoostingRegressor(max_iter=1, min_samples_leaf=1, max_leaf_nodes=200)
            estimator.fit(read[[name]], index)
            found = answered(spark, to_sql(estimator, "t", "spark", ["id"], types))
            assert not differences(answers(estimator)(read[[name]]), found, 0), name


def test_what_java_cannot_compile_is_right_as_well(spark: SparkSession) -> None:
    """A method may have 64 KiB there; beyond that, Spark interprets."""
    frame = rows_to_fit(missing=False)[list(NUMBERS)]
    estimator = en.RandomForestClassifier(40, random_state=0).fit(frame, targets(frame, "three"))
    load(spark, frame)
    sql = to_sql(estimator, "t", "spark", ["id"])
    assert not differences(answers(estimator)(frame), answered(spark, sql), 0)
    compiled = spark.sql(sql)._jdf.queryExecution().debug().codegenToSeq()
    assert [compiled.apply(index)._3().maxMethodCodeSize() for index in range(compiled.size())] == [-1]


def test_wide_and_deep_models_are_read(spark: SparkSession) -> None:
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(60, 600)), columns=[f"c{index}" for index in range(600)])
    chained = pd.DataFrame({"x": np.arange(600.0)})
    models: list[tuple[pd.DataFrame, Any, float]] = [
        (wide, LogisticRegression().fit(wide, wide["c0"] > 0), ROUNDED),
        (chained, tr.DecisionTreeRegressor().fit(chained, 2.0 ** -chained["x"]), 0),
    ]
    for frame, estimator, tolerance in models:
        load(spark, frame)
        found = answered(spark, to_sql(estimator, "t", "spark", ["id"]))
        assert not differences(answers(estimator)(frame), found, tolerance)
