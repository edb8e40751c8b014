{# 95 % intervals of the metrics from their standard errors. #}

{% macro t_quantile(freedom) %}
  {#-
    The quantile 0.975 of Student's t: expansion of Cornish and Fisher (Abramowitz and Stegun 1964, 26.7.5), here within
    0.001 % from 9 degrees of freedom on and 0.2 % from 3, 0.8 % low with 2 and 11 % low with 1.
  -#}
  {%- set one = '(1e0 / (' ~ freedom ~ '))' -%}
  {{ return('(1.959963984540054e0 + ' ~ one ~ ' * (2.372271230298562e0 + ' ~ one ~ ' * (2.822498615739611e0 + ' ~ one ~ ' * (2.555849679507722e0 + '
    ~ one ~ ' * 1.589534053393822e0))))') }}
{% endmacro %}

{% macro freedom(blocks, n, known_blocks) %}
  {#-
    Degrees of freedom of a standard error: the blocks less one where there are enough; else the rows less one, or the blocks
    from which the design effect is known, `known_blocks` (a number or none), where those are fewer.
  -#}
  {%- set known = known_blocks or 1000000000 -%}
  {{ return('(case when ' ~ blocks ~ ' >= ' ~ mlbridge.enough_blocks() ~ ' then ' ~ blocks ~ ' when ' ~ n ~ ' > ' ~ known ~ ' then ' ~ known
    ~ ' when ' ~ n ~ ' > 1 then ' ~ n ~ ' else 2 end - 1)') }}
{% endmacro %}

{% macro freedom_of(df, support) %}
  {#- No more than the rows that a figure rests on allow. -#}
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
