"""The features of late_arrival, and some that are easier said in numpy than in SQL."""

import numpy as np
import pyarrow as pa

MINUTES_A_DAY = 24 * 60


def model(dbt, session):
    """One row per flight; the target is the arrival's delay in minutes, NULL where the flight did not arrive."""
    known = dbt.ref("late_arrival_features").select("* exclude (is_late)")
    delays = dbt.ref("flights").select("flight_id, arrival_delay as arrival_delay_minutes")
    rows = known.join(delays, "flight_id").order("predicted_at, flight_id").to_arrow_table()

    def numbers(name: str) -> np.ndarray:
        return rows[name].cast(pa.float64()).to_numpy()

    # 23:59 is close to 00:00, and a day starts at its quietest hour.
    angle = 2 * np.pi * numbers("departure_minute") / MINUTES_A_DAY
    # Wind from 350 degrees is almost wind from 10 degrees.
    towards = np.deg2rad(numbers("wind_direction_deg"))
    speed = numbers("wind_speed_mph")
    # A queue at the gates is worse where few flights leave.
    leaving = np.maximum(numbers("origin_departures_3h"), 1)
    added = {
        "departure_sin": np.sin(angle),
        "departure_cos": np.cos(angle),
        "wind_north_mph": speed * np.cos(towards),
        "wind_east_mph": speed * np.sin(towards),
        "waiting_per_departure": numbers("origin_waiting") / leaving,
        "planned_speed_mph": numbers("distance_miles") / numbers("scheduled_minutes") * 60,
    }
    for name, values in added.items():
        rows = rows.append_column(name, pa.array(values, from_pandas=True))
    return rows
