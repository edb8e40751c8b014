{{ mlbridge.history() }}
-- The macro log_runs inserts the rows at the end of each dbt command.
{{ mlbridge.no_rows() }}
