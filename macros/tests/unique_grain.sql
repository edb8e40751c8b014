{% test unique_grain(model, columns) %}
  {#- Fails with the keys that stand in more than one row. -#}
  select {{ columns | join(', ') }}, count(*) as rows_found
  from {{ model }}
  group by {{ columns | join(', ') }}
  having count(*) > 1
{% endtest %}
