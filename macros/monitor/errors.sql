{# Variances of the metrics, from rows that are independent of each other. #}

{% macro auc_variance() %}
  {#-
    Of the area under the ROC curve, from the places of each kind of rows among the other (DeLong, DeLong and Clarke-Pearson
    1988); nothing where they all share one place.
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
  {#- By the delta method from the share J = f1 / (2 - f1) of the rows predicted or true that are both. -#}
  {{ return('f1 / (2 - f1) * (1 - f1 / (2 - f1)) * power((2 - f1) * (2 - f1) / 2, 2) / (predicted + pos - tp)') }}
{% endmacro %}

{% macro mean_variance(total, squares, n='n') %}
  {#- Of a mean, from the sum and the sum of squares over `n` rows. -#}
  {%- set variance = squares ~ ' / ' ~ n ~ ' - ' ~ total ~ ' / ' ~ n ~ ' * ' ~ total ~ ' / ' ~ n -%}
  {{ return('(case when ' ~ n ~ ' > 1 and ' ~ variance ~ ' > 0 then (' ~ variance ~ ') / (' ~ n ~ ' - 1) end)') }}
{% endmacro %}
