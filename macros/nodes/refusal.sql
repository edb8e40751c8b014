{# What a Python node refuses, in dbt's own words: adapters put the text of a Python error below its traceback. #}

{% macro refuse_as_answered(arrived, names) %}
  {#- Refuses with the sentence that a Python node wrote in place of its rows, if it did; `names` are those of the columns that have arrived. -#}
  {%- if names | map('lower') | list == ['ml_refusal'] -%}
    {%- set problem = run_query('select ml_refusal from ' ~ arrived).columns[0].values()[0] -%}
    {%- do drop_relation_if_exists(arrived) -%}
    {%- do mlbridge.end_transaction() -%}
    {{ exceptions.raise_compiler_error(problem) }}
  {%- endif -%}
{% endmacro %}
