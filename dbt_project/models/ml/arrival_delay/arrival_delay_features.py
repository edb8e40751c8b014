"""Features for the minutes of delay at arrival: those of late_arrival_features, and what is easier said in numpy.

One row a flight, in the order of the predictions. Everything added here is computed from the columns of its own row,
so what was not known at `predicted_at` cannot come in.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

MINUTES_OF_DAY = 24 * 60


def turning(values: np.ndarray, period: float, name: str) -> dict[str, np.ndarray]:
    """Put a value that comes round again, such as the time of day, on a circle: 23:59 then lies next to 0:00."""
    angle = 2 * math.pi * values / period
    return {f"{name}_sin": np.sin(angle), f"{name}_cos": np.cos(angle)}


def model(dbt: Any, session: Any) -> pa.Table:
    """Return the features, their target in minutes, and the keys."""
    flights = dbt.ref("flights").select("flight_id, arrival_delay as arrival_delay_minutes")
    known = dbt.ref("late_arrival_features").select("* exclude (is_late)")
    table = known.join(flights, "flight_id").order("predicted_at, flight_id").to_arrow_table()

    def column(name: str) -> np.ndarray:
        return table[name].to_numpy().astype(float)

    speed, direction = column("wind_speed_mph"), np.deg2rad(column("wind_direction_deg"))
    new = {
        **turning(column("departure_minute"), MINUTES_OF_DAY, "departure"),
        "wind_from_north_mph": speed * np.cos(direction),
        "wind_from_east_mph": speed * np.sin(direction),
        "scheduled_mph": 60 * column("distance_miles") / column("scheduled_minutes"),
    }
    for name, values in new.items():
        table = table.append_column(name, pa.array(values, from_pandas=True))
    return table
