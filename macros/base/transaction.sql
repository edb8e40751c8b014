{# Ending the transaction that dbt has open. #}

{% macro end_transaction() %}
  {#- Commits what a hook has written: a query to the catalog may have begun a transaction, which dbt would roll back at the end. -#}
  {%- call statement('begin', auto_begin=True) -%} select 1 {%- endcall -%}
  {%- do adapter.commit() -%}
{% endmacro %}
