{# The requests that `mlbridge serve` has recorded, as a relation of the host. #}

{% macro requests(folder) %}
  {#-
    A row for each row of a request that was answered, from the Parquet files in a folder on this machine; no row before there is a file.
    The columns are those of `RequestRow` in `mlbridge/serving/recorder.py`; `received_at` is in UTC. A file of an earlier
    mlbridge may lack some. `<model>_predictions` that reads the model takes its rows in.
  -#}
  {%- set types = {
    'request_id': dbt.type_string(), 'number': dbt.type_int(), 'model': dbt.type_string(), 'version': dbt.type_int(),
    'received_at': dbt.type_timestamp(), 'key': dbt.type_string(), 'features': dbt.type_string(), 'prediction': dbt.type_string(),
    'prediction_value': mlbridge.type_double(), 'probability': mlbridge.type_double(), 'not_scored_because': dbt.type_string(),
    'latency_ms': mlbridge.type_double(), 'probabilities': dbt.type_string(), 'role': dbt.type_string(),
  } -%}
  {{ config(meta={'mlbridge_requests': folder}) }}
  {%- set files = mlbridge.recorded_requests(folder) -%}
  {%- set there = mlbridge.names_in(files) if files else [] -%}
  {%- set columns = [] -%}
  {%- for name, type in types.items() -%}
    {%- set quoted = adapter.quote(name) -%}
    {%- do columns.append('cast(' ~ (quoted if name in there else 'null') ~ ' as ' ~ type ~ ') as ' ~ quoted) -%}
  {%- endfor -%}
  select {{ columns | join(', ') }}{{ ' from ' ~ files if files else ' where 1 = 0' }}
{%- endmacro %}
