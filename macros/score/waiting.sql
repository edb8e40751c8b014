{# The rows that wait for a version. See `mlbridge/score.py`, which says the same. #}

{% macro waiting_rows(version, spec, split) %}
  {#-
    The rows of the split that neither fit nor selection of the version saw and that it has not scored yet, with their key
    and moment as `ml entity` and `ml time`. A row that got no prediction waits until what kept it from one has changed.
    Rows without an outcome were never trained on. Of the others, today's words tell only while rows are dealt as they were
    then; by time they never do, because cut-offs move on.
  -#}
  {%- set time = 'cast(split_rows.' ~ mlbridge.quoted(version.spec.time) ~ ' as timestamp)' -%}
  {%- set key = mlbridge.key_as_text(version.spec.entity, 'split_rows') -%}
  {%- set open = 'split_rows.' ~ mlbridge.quoted(version.spec.target) ~ ' is null' -%}
  {%- if version.holdout_from is not none -%}
    {%- set unseen = '(' ~ open ~ ' or ' ~ time ~ ' >= ' ~ "cast('" ~ version.holdout_from ~ "' as timestamp)" ~ ')' -%}
  {%- elif mlbridge.same_question(version.spec, spec) -%}
    {%- set unseen = "split_rows.ml_split in ('test', 'score')" -%}
  {%- else -%}
    {%- set unseen = open -%}
  {%- endif -%}
  {%- set before = load_cached_relation(this) -%}
  select split_rows.*, {{ key }} as {{ mlbridge.quoted('ml entity') }}, {{ time }} as {{ mlbridge.quoted('ml time') }}
  from {{ split }} as split_rows
  where {{ unseen }}
  {%- if before is not none %}
    and not exists (
      select 1
      from {{ before }} as before
      where
        before.entity = {{ key }} and before.time = {{ time }} and before.version = {{ version.number }}
        and before.prediction is not null
    )
    {%- if mlbridge.tells_why_not(before) %}
    and not exists (
      select 1
      from {{ before }} as before
      where
        before.entity = {{ key }} and before.time = {{ time }} and before.version = {{ version.number }}
        and before.not_scored_because = {{ mlbridge.oddities(version, split, 'split_rows') }}
    )
    {%- endif %}
  {%- endif -%}
{%- endmacro %}

{% macro tells_why_not(predictions) %}
  {#- Whether the predictions say why a row has none; those that an earlier mlbridge began have one in every row. -#}
  {{ return('not_scored_because' in adapter.get_columns_in_relation(predictions) | map(attribute='name') | map('lower')) }}
{% endmacro %}

{% macro same_question(before, now) %}
  {#- Whether the same outcome of the same rows at the same moment is asked, and rows are dealt as they were. -#}
  {%- set differ = [] -%}
  {%- for key in ['task', 'target', 'time'] if before[key] != now[key] -%}{%- do differ.append(key) -%}{%- endfor -%}
  {%- for key in mlbridge.split_defaults() if before.split.get(key) != now.split[key] -%}{%- do differ.append(key) -%}{%- endfor -%}
  {{ return(not differ and before.entity | list == now.entity | list) }}
{% endmacro %}
