{# 95 % intervals of the metrics, from their standard errors. #}

{% macro t_quantile(freedom) %}
  {#-
    The quantile 0.975 of Student's t: expansion of Cornish and Fisher (Abramowitz and Stegun 1964, 26.7.5). Its error is
    at most 0.001 % from 9 degrees of freedom on and 0.2 % from 3; it is 0.8 % too low with 2 and 11 % too low with 1.
  -#}
  {%- set one = '(1e0 / (' ~ freedom ~ '))' -%}
  {{ return('(1.959963984540054e0 + ' ~ one ~ ' * (2.372271230298562e0 + ' ~ one ~ ' * (2.822498615739611e0 + ' ~ one ~ ' * (2.555849679507722e0 + '
    ~ one ~ ' * 1.589534053393822e0))))') }}
{% endmacro %}

{% macro freedom(blocks, n, known_blocks) %}
  {#-
    Degrees of freedom of a standard error: blocks less one where there are enough blocks; else rows less one, or less
    where the design effect was estimated from fewer blocks, `known_blocks` (a number or none).
  -#}
  {%- set known = known_blocks or 1000000000 -%}
  {{ return('(case when ' ~ blocks ~ ' >= ' ~ mlbridge.enough_blocks() ~ ' then ' ~ blocks ~ ' when ' ~ n ~ ' > ' ~ known ~ ' then ' ~ known
    ~ ' when ' ~ n ~ ' > 1 then ' ~ n ~ ' else 2 end - 1)') }}
{% endmacro %}

{% macro freedom_of(df, support) %}
  {#- Degrees of freedom, limited by the rows that the figure rests on (`support`). -#}
  {{ return('(case when ' ~ support ~ ' - 1 >= ' ~ df ~ ' then ' ~ df ~ ' when ' ~ support ~ ' > 2 then ' ~ support ~ ' - 1 else 1 end)') }}
{% endmacro %}

{% macro wilson_end(side, share, n, t) %}
  {#- An end of the score interval of a share (Wilson 1927) with a quantile of Student's t in place of the normal one. -#}
  {%- set square = '(' ~ t ~ ' * ' ~ t ~ ' / ' ~ n ~ ')' -%}
  (
    ({{ share }} + {{ square }} / 2 {{ side }} sqrt({{ square }} * ({{ share }} * (1 - {{ share }}) + {{ square }} / 4)))
    / (1 + {{ square }})
  )
{%- endmacro %}

{% macro skewed_quantile(skewness, t) %}
  {#-
    How many standard errors a mean may lie below its expectation: Hall's inverse transformation (On the removal of
    skewness by transformation, 1992) of the quantile `t`, for the absolute skewness; `t` itself without skewness.
  -#}
  {%- set size = 'abs(' ~ skewness ~ ')' -%}
  {%- set rest = '(1 - ' ~ size ~ ' * (' ~ t ~ ' + ' ~ size ~ ' / 6))' -%}
  (
    case
      when {{ size }} >= 1e-6 then 3 * (1 - coalesce({{ rest }} / nullif(power(abs({{ rest }}), 2e0 / 3), 0), 0)) / {{ size }}
      else {{ t }}
    end
  )
{%- endmacro %}

{% macro loss_end(side) %}
  {#-
    One end of the interval of `loss`: that of a t interval of its logarithm or, on the side of the skewness, Hall's, whichever is
    farther out. A root mean squared error has the root of the interval of the mean square (`loss_power`). NULL without an error.
  -#}
  {%- set reach = 'loss_quantile * loss_power * se / loss' -%}
  {%- set logarithmic = 'loss * exp(0 ' ~ side ~ ' t_quantile * se / loss)' -%}
  {%- set halls = 'loss * power(1 ' ~ side ~ ' ' ~ reach ~ ', 1 / loss_power)' -%}
  case
    when se > 0 and t_quantile * se < 50 * loss then case
      {% if side == '+' -%}
      when skewness > 0 then greatest({{ logarithmic }}, {{ halls }})
      {%- else -%}
      when skewness < 0 and {{ reach }} < 1 then least({{ logarithmic }}, {{ halls }})
      {%- endif %}
      else {{ logarithmic }}
    end
  end
{%- endmacro %}
