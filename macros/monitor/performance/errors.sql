{# Variances of the metrics for independent rows, and the choice between the error of rows and that of blocks. #}

{% macro auc_variance() %}
  {#-
    The variance of the area under the ROC curve, from the placements of positives among negatives and of negatives among
    positives (DeLong, DeLong and Clarke-Pearson 1988); 0 where all placements are equal.
  -#}
  {%- set auc = '(pos_places / nullif(pos, 0))' -%}
  {%- set pos_part = '(pos_squares - pos_places * ' ~ auc ~ ') / nullif(pos - 1, 0) / nullif(pos, 0)' -%}
  {%- set neg_part = '(neg_squares - (n - pos) * ' ~ auc ~ ' * ' ~ auc ~ ') / nullif(n - pos - 1, 0) / nullif(n - pos, 0)' -%}
  case
    when pos is null or pos = 0 or n = pos then null
    when {{ pos_part }} + {{ neg_part }} > 1e-12 then {{ pos_part }} + {{ neg_part }}
    else 0
  end
{%- endmacro %}

{% macro f1_variance() %}
  {#- By the delta method, from J = f1 / (2 - f1), which is a share: of the rows predicted or true, those that are both. -#}
  {{ return('f1 / (2 - f1) * (1 - f1 / (2 - f1)) * power((2 - f1) * (2 - f1) / 2, 2) / (predicted + pos - tp)') }}
{% endmacro %}

{% macro mean_variance(total, squares, n='n') %}
  {#- The variance of a mean, from the sum and the sum of squares over `n` rows; NULL where that is not positive. -#}
  {%- set variance = squares ~ ' / ' ~ n ~ ' - ' ~ total ~ ' / ' ~ n ~ ' * ' ~ total ~ ' / ' ~ n -%}
  {{ return('(case when ' ~ n ~ ' > 1 and ' ~ variance ~ ' > 0 then (' ~ variance ~ ') / (' ~ n ~ ' - 1) end)') }}
{% endmacro %}

{% macro chosen_error(variance, square, effect, expected) %}
  {#-
    The standard error by blocks where there are enough of them, else that of independent rows times the root of the
    design effect.
  -#}
  {%- set of_rows = 'sqrt(' ~ mlbridge.number(effect) ~ ' * ' ~ variance ~ ')' -%}
  {%- if expected -%}{{ return(of_rows) }}{%- endif -%}
  {{ return('case when block_count >= ' ~ mlbridge.enough_blocks() ~ ' then sqrt(block_count * ' ~ square
    ~ ' / (block_count - 1e0)) else ' ~ of_rows ~ ' end') }}
{% endmacro %}

{% macro at_least(value, least) %}
  {#- The value, or `least` where it is less; NULL counts as less. -#}
  {{ return('(case when ' ~ value ~ ' > ' ~ least ~ ' then ' ~ value ~ ' else ' ~ least ~ ' end)') }}
{% endmacro %}
