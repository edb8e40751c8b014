{# The skewness of mean losses; for a regression relative to the loss, so that no power overflows. #}

{% macro skewness(part) %}
  {#- The skewness of a sum of independent parts with mean zero; NULL where all are zero, or with fewer than three. -#}
  {{ return('sum(power(' ~ part ~ ', 3)) / nullif(power(sum(power(' ~ part ~ ', 2)), 1.5e0), 0) * ' ~ mlbridge.skewness_of_few('count(*)')) }}
{% endmacro %}

{% macro skewness_of_few(n) %}
  {#- The factor that corrects the skewness of `n` values for small samples (G1 of Joanes and Gill 1998). -#}
  {{ return('sqrt(1e0 * ' ~ n ~ ' * (' ~ n ~ ' - 1)) / nullif(' ~ n ~ ' - 2, 0)') }}
{% endmacro %}

{% macro loss_parts() %}
  {#-
    By name: what a row (`l`) adds to a mean loss of its window (`v`), relative to that loss and with mean zero; and the
    metric that it belongs to.
  -#}
  {{ return({
    'squared': {'of_row': 'l.loss * l.loss / nullif(v.mean_squared, 0) - 1', 'metric': 'rmse'},
    'absolute': {'of_row': 'l.loss * v.n / nullif(v.absolute, 0) - 1', 'metric': 'mae'},
    'unexplained': {
      'of_row': 'l.loss * l.loss / nullif(v.mean_squared, 0) - l.deviation * l.deviation / v.variance', 'metric': 'r2'},
  }) }}
{% endmacro %}

{% macro skewness_of_losses() %}
  {#- The CTE `skewed`: the skewness of the sum of the parts by block where there are enough blocks, else by row. -#}
  {%- set enough = 'b.block_count >= ' ~ mlbridge.enough_blocks() -%}
  {%- set block = 'case when ' ~ enough ~ ' then l.block end' -%}
  {%- set row = 'case when ' ~ enough ~ ' then 0 else l.rank_of_loss end' -%}
  parts as (
    select
      l.window_start,
      l.slice
      {%- for name, part in mlbridge.loss_parts().items() %},
      sum({{ part.of_row }}) as {{ name }}
      {%- endfor %}
    from losses as l
    inner join valued as v on {{ mlbridge.same('l', 'v', 'window_start, slice') }}
    inner join by_block as b on {{ mlbridge.same('l', 'b', 'window_start, slice') }}
    group by l.window_start, l.slice, {{ block }}, {{ row }}
  ),

  skewed as (
    select
      window_start,
      slice
      {%- for name in mlbridge.loss_parts() %},
      {{ mlbridge.skewness(name) }} as {{ name }}_skewness
      {%- endfor %}
    from parts
    group by window_start, slice
  )
{%- endmacro %}

{% macro mean_skewness(total, squares, cubes, n) %}
  {#-
    The skewness of a mean of independent rows, from the sums of the first three powers; NULL where the rows are equal or
    nearly zero.
  -#}
  {%- set mean = '(' ~ total ~ ' / ' ~ n ~ ')' -%}
  {%- set second = '(' ~ squares ~ ' - ' ~ n ~ ' * ' ~ mean ~ ' * ' ~ mean ~ ')' -%}
  {%- set third = '(' ~ cubes ~ ' - 3 * ' ~ mean ~ ' * ' ~ squares ~ ' + 2 * ' ~ n ~ ' * ' ~ mean ~ ' * ' ~ mean ~ ' * ' ~ mean ~ ')' -%}
  case when {{ mean }} > 1e-40 and {{ second }} > 1e-12 * {{ squares }} then {{ third }} / power({{ second }}, 1.5e0) * {{ mlbridge.skewness_of_few(n) }} end
{%- endmacro %}

{% macro chosen_skewness(name, effect) %}
  {#-
    By blocks where there are enough of them, else of independent rows times the root of the design effect, which leaves
    fewer effective rows.
  -#}
  {{ return('case when block_count >= ' ~ mlbridge.enough_blocks() ~ ' then ' ~ name ~ '_block_skewness else sqrt('
    ~ mlbridge.number(effect) ~ ') * ' ~ name ~ '_skewness end') }}
{% endmacro %}
