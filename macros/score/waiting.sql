{# The rows that a version has not scored yet. #}

{% macro waiting_rows(version, spec, split, rows) %}
  {#-
    The rows of the split that the version was not trained or selected on and has not scored yet, with their key and time as
    `ml entity` and `ml time`. A row that got no prediction is scored again once the reason has changed. Rows without an outcome were
    never trained on. For the others `ml_split` is valid only while the split definition is unchanged, and never in a split by
    time, whose cut-offs move. `rows` is what is read: the split, or another relation of its columns.
  -#}
  {%- set time = 'cast(split_rows.' ~ mlbridge.quoted(version.spec.time) ~ ' as timestamp)' -%}
  {%- set key = mlbridge.key_as_text(version.spec.entity, 'split_rows') -%}
  {%- set unseen = mlbridge.unseen(version, spec, time, 'split_rows') -%}
  {%- set before, types = load_cached_relation(this), mlbridge.types_of(split) -%}
  select split_rows.*, {{ key }} as {{ mlbridge.quoted('ml entity') }}, {{ time }} as {{ mlbridge.quoted('ml time') }}
  from {{ rows }} as split_rows
  where {{ unseen }}
  {%- if before is not none %}
    and not exists (
      select 1
      from {{ before }} as before
      where
        before.entity = {{ key }} and before.time = {{ time }} and before.version = {{ version.number }}
        and before.prediction is not null
    )
    {%- if mlbridge.has_reasons(before) %}
    and not exists (
      select 1
      from {{ before }} as before
      where
        before.entity = {{ key }} and before.time = {{ time }} and before.version = {{ version.number }}
        and before.not_scored_because = {{ mlbridge.unscorable_reason(version, types, 'split_rows') }}
    )
    {%- endif %}
  {%- endif -%}
{%- endmacro %}

{% macro unseen(version, spec, time, table) %}
  {#- Whether the version has certainly not seen a row of the split, as an SQL condition; `time` is the row's moment. -#}
  {%- set open = table ~ '.' ~ mlbridge.quoted(version.spec.target) ~ ' is null' -%}
  {%- if version.holdout_from is not none -%}
    {{ return('(' ~ open ~ ' or ' ~ time ~ ' >= ' ~ "cast('" ~ version.holdout_from ~ "' as timestamp)" ~ ')') }}
  {%- elif mlbridge.same_question(version.spec, spec) -%}
    {{ return(table ~ ".ml_split in ('test', 'score')") }}
  {%- endif -%}
  {{ return(open) }}
{% endmacro %}

{% macro same_question(before, now) %}
  {#- Whether task, target, entity, time and split definition are unchanged. -#}
  {%- set differ = [] -%}
  {%- for key in ['task', 'target', 'time'] if before[key] != now[key] -%}{%- do differ.append(key) -%}{%- endfor -%}
  {%- for key in mlbridge.split_defaults() if before.split.get(key) != now.split[key] -%}{%- do differ.append(key) -%}{%- endfor -%}
  {{ return(not differ and before.entity | list == now.entity | list) }}
{% endmacro %}
