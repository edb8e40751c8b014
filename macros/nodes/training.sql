{# `<model>_training` as a `.sql` node of one call, for engines and versions of dbt that run no Python model. #}

{% macro training(split) %}
  {#-
    The rows to append: those with which `mlbridge train` has answered the request of an earlier build. The materialization then asks
    anew, unless there were any: it writes down the facts from which `mlbridge train` decides, as a Python node does, whether to train.
    `split` is `ref('<model>_split')`. Commands other than run, build and retry get no rows, because for them the tables may not exist.
  -#}
  {{ config(materialized='mlbridge') }}
  {%- if not model.name.endswith('_training') -%}
    {{ mlbridge.refuse(model.name, 'the node of this stage must be called `<model>_training`.') }}
  {%- endif -%}
  {{ return(mlbridge.answered_rows(this) if mlbridge.is_running() and not flags.EMPTY else mlbridge.no_answers()) }}
{% endmacro %}

{% macro settle_training(logbook, taken_in) %}
  {#-
    In the transaction that has appended `taken_in` rows of the inbox to the logbook: asks anew if there was no
    answer, and empties the inbox. So a build either takes in an answer or asks, and no request is answered twice.
  -#}
  {%- if not flags.EMPTY -%}
    {%- set request = none -%}
    {%- if not taken_in -%}
      {%- set split = mlbridge.upstream(modules.re.sub('_training$', '_split', model.name)) -%}
      {%- set request = {'run': mlbridge.run_facts(true), 'split': [split.database, split.schema, split.identifier]} -%}
    {%- endif -%}
    {#- In this order: without transactions, an inbox that is empty must not stand beside a request that was answered. -#}
    {%- do mlbridge.settle_request(logbook, request) -%}
    {%- do mlbridge.settle_inbox(logbook) -%}
  {%- endif -%}
{% endmacro %}
