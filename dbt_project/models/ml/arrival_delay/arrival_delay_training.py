"""A candidate of our own beside the stock ones: a linear model that bends."""

from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer

import mlbridge

CURVED = [
    "carrier_departure_delay_3h",
    "carrier_late_1d",
    "carrier_overdue",
    "departure_minute",
    "destination_arrival_delay_6h",
    "destination_late_7d",
    "dew_point_f",
    "flight_late_28d",
    "origin_arrival_delay_3h",
    "origin_departure_delay_3h",
    "origin_overdue",
    "visibility_miles",
    "wind_from_east_mph",
    "wind_from_north_mph",
]


def model(dbt, session):
    """Train arrival_delay."""
    curves = make_pipeline(SimpleImputer(strategy="median"), SplineTransformer(n_knots=6, extrapolation="linear"))
    codes = OneHotEncoder(handle_unknown="ignore", min_frequency=200)
    prepared = make_column_transformer((curves, CURVED), (codes, ["carrier", "destination", "origin", "weekday"]))
    return mlbridge.train(
        dbt,
        session,
        dbt.ref("arrival_delay_split"),
        dbt.config.meta_get("mlbridge"),
        candidates={"splines": make_pipeline(prepared, Ridge(alpha=10.0))},
    )
