{% macro correlation(of_bin, n, total, squares) %}
  {#-
    An aggregate: Pearson's correlation, over rows, of `of_bin`, which is the same for all rows of a bin, and a variable
    that is known by its count `n`, sum `total` and sum of squares `squares` in each bin. NULL where either is constant.
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
  {#- `n` times the standard deviation; NULL where it is no larger than rounding errors of a constant. -#}
  sqrt(case when {{ n }} * {{ squares }} - {{ total }} * {{ total }} > 1e-9 * {{ n }} * {{ n }}
    then {{ n }} * {{ squares }} - {{ total }} * {{ total }} end)
{%- endmacro %}

{% macro lost_correlation_by_chance() %}
  {#-
    Hoeffding's bound (1963) for the change of a correlation between two samples, as a share of the correlation. Rows of
    the fullest bin contribute little to a correlation: the effective number of rows is twice those outside it, and at
    most all.
  -#}
  sqrt(inverse_rows * ln(2 / alpha) / 2 / nullif(least(1, 2 * (1 - fullest_share)), 0)) / partner_correlation
{%- endmacro %}
