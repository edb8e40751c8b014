{{ mlbridge.grant() }}
{{ config(materialized='incremental', full_refresh=false, on_schema_change='append_new_columns') }}
-- The rows are written when the other nodes are done, at the end of each dbt command: see the macro log_runs.
{{ mlbridge.no_rows() }}
