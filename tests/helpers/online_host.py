"""A small host with a model whose features come from feature views that have online tables."""

from __future__ import annotations

from pathlib import Path

import duckdb
import yaml
from dbt_host import Host, small_host
from postgres import Postgres

from mlbridge.grafting.own_files import PREDICTIONS, TRAINING

NAME = "delayed"
# An observation of each airport every hour; its rows are in a seed's place so that tests can change them.
WEATHER = """
select
    ['JFK', 'LGA', 'EWR'][1 + i % 3] as airport,
    timestamp '2024-01-01' + to_minutes(20 * i) as seen_at,
    timestamp '2024-01-01' + to_minutes(20 * i + 5) as told_at,
    cast(20 + 10 * sin(i * 0.7) as float) as wind,
    ['clear', 'fog', 'rain'][1 + (i * 7) % 3] as sky,
    case when i % 5 > 0 then cast(i % 11 as decimal(6, 2)) / 4 end as rain,
    i % 4 = 0 as gusts,
    date '2024-01-01' + cast(i % 30 as integer) as mown_on
from range(6000) as t(i)
"""
CREW = """
select i as crew, timestamp '2024-01-01' + to_hours(i) as rated_at, i % 9 as rating
from range(40) as t(i)
"""
DEPARTURES = """
select
    'f' || i as flight,
    ['JFK', 'LGA', 'EWR'][1 + i % 3] as origin,
    i % 40 as crew,
    timestamp '2024-01-02' + to_hours(i // 3) as due_at,
    (hash(i) % 1000) / 1000.0 as load,
    case when i < 4800 then (hash(i) % 1000) / 1000.0 + (hash('noise' || i) % 1000) / 900.0 > 1.1 end as delayed
from range(5400) as t(i)
"""
# At each hour, what was known by then of an airport's departures.
TRAFFIC = """
with hours as (
    select distinct origin as airport, due_at as hour from {{ ref('departures') }}
),

found as (
    {{ mlbridge.rolling('hours', 'hour', {'view': ref('departures'), 'time': 'due_at', 'embargo': '2 hours'}, {
        'load_1d': {'mean': 'load', 'entity': {'origin': 'airport'}, 'over': '1 day'},
        'departures_7d': {'count': '*', 'entity': {'origin': 'airport'}, 'over': '7 days'},
    }) }}
)

select * from found
"""
FEATURES = """
with known as (
    {{ mlbridge.point_in_time(ref('departures'), 'due_at', [
        {'view': ref('weather'), 'entity': {'airport': 'origin'}, 'prefix': 'sky_', 'max_staleness': '3 hours'},
        {'view': ref('crews'), 'columns': ['rating'], 'look_back': '200 weeks'},
        {'view': ref('traffic'), 'entity': {'airport': 'origin'}, 'max_staleness': '1 hour'},
    ]) }}
)

select
    flight, due_at, delayed, origin, crew, load, rating,
    sky_wind as wind, sky_sky as sky, sky_rain, sky_gusts, sky_mown_on, sky_wind * 2 as wind_twice,
    load_1d, departures_7d
from known
"""
YAML = """models:
  - name: weather
    config:
      materialized: table
      meta: {mlbridge: {entity: airport, time: seen_at, known_at: told_at, online: true}}
  - name: crews
    config:
      meta: {mlbridge: {entity: [crew], time: rated_at, online: true}}
  - name: traffic
    config:
      meta: {mlbridge: {entity: airport, time: hour, online: true}}
  - name: departures
  - name: delayed_features
    config: {materialized: table}
  - name: delayed_split
    config: {materialized: table}
  - name: delayed_training
    config:
      materialized: mlbridge
      meta:
        mlbridge:
          task: classification
          target: delayed
          entity: flight
          time: due_at
          candidates: [logistic_regression]
          features: {exclude: [crew]}
  - name: delayed_predictions
    config: {materialized: mlbridge}
"""


def online_host(folder: Path) -> Host:
    """Write the host; nothing is built."""
    host = small_host(folder, [NAME])
    host.write(
        {
            "models/weather.sql": WEATHER,
            "models/crews.sql": CREW,
            "models/departures.sql": DEPARTURES,
            "models/weather_online.sql": "{{ mlbridge.online(ref('weather')) }}\n",
            "models/traffic.sql": TRAFFIC,
            "models/traffic_online.sql": "{{ mlbridge.online(ref('traffic')) }}\n",
            "models/crews_online.sql": "{{ mlbridge.online(ref('crews')) }}\n",
            "models/delayed_features.sql": FEATURES,
            "models/delayed_split.sql": "{{ mlbridge.split(ref('delayed_features')) }}\n",
            "models/delayed_training.py": TRAINING.format(name=NAME),
            "models/delayed_predictions.py": PREDICTIONS.format(name=NAME),
            "models/models.yml": YAML,
        }
    )
    return host


# Of three classes.
HOW_LATE = (
    "select * replace (case when delayed then case when load > 0.6 then 'long' else 'short' end "
    f"when not delayed then 'none' end as delayed) from ({DEPARTURES})"
)


def on_server(server: Postgres, schema: str, folder: Path) -> Host:
    """Write the same host for a server: SQL nodes, three classes, and requests that are taken in.

    Its rows are in the schema `field`.
    """
    host = online_host(folder)
    for name, rows in (("weather", WEATHER), ("crews", CREW), ("departures", HOW_LATE)):
        found = duckdb.sql(rows)
        types = {column: str(type_) for column, type_ in zip(found.columns, found.types, strict=True)}
        server.load("field", name, types, found.fetchall())
        host.write({f"models/{name}.sql": f"select * from field.{name}\n"})
    for stage in ("training", "predictions"):
        (host.path / f"models/{NAME}_{stage}.py").unlink()
    split, training = (f"ref('{NAME}_{stage}')" for stage in ("split", "training"))
    host.write(
        {
            f"models/{NAME}_training.sql": f"{{{{ mlbridge.training({split}) }}}}\n",
            f"models/{NAME}_predictions.sql": f"{{{{ mlbridge.predict({split}, {training}, ref('asked')) }}}}\n",
            "models/asked.sql": f"{{{{ mlbridge.requests('{folder / 'requests'}') }}}}\n",
            "models/models.yml": YAML.replace("logistic_regression", "hist_gradient_boosting"),
            "profiles.yml": yaml.safe_dump({"small": {"target": "dev", "outputs": {"dev": server.profile(schema)}}}),
        }
    )
    return host
