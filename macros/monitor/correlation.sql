{% macro correlation(of_bin, n, total, squares) %}
  {#-
    Pearson's correlation, over rows, of a number that is the same for a whole bin with one that is known by its count, sum
    and sum of squares in each bin; an aggregate. NULL where either does not vary.
  -#}
  {%- set known = of_bin ~ ' is not null' -%}
  {%- set rows = 'sum(case when ' ~ known ~ ' then ' ~ n ~ ' end)' -%}
  {%- set totals = 'sum(case when ' ~ known ~ ' then ' ~ total ~ ' end)' -%}
  {%- set means = 'sum(' ~ of_bin ~ ' * ' ~ n ~ ')' -%}
  (
    {{ rows }} * sum({{ of_bin }} * {{ total }}) - {{ means }} * {{ totals }}
  ) / (
    {{ mlbridge.spread(rows, 'sum(' ~ of_bin ~ ' * ' ~ of_bin ~ ' * ' ~ n ~ ')', means) }}
    * {{ mlbridge.spread(rows, 'sum(case when ' ~ known ~ ' then ' ~ squares ~ ' end)', totals) }}
  )
{%- endmacro %}

{% macro spread(n, squares, total) %}
  {#- `n` standard deviations; NULL where they are no more than what rounding leaves of equal numbers. -#}
  sqrt(case when {{ n }} * {{ squares }} - {{ total }} * {{ total }} > 1e-9 * {{ n }} * {{ n }}
    then {{ n }} * {{ squares }} - {{ total }} * {{ total }} end)
{%- endmacro %}
