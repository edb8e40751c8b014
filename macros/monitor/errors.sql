{# Standard errors of the metrics. #}

{% macro share_variance(hits, n) %}
  {#- Of a share, with two hits and two misses more: never nothing, however few the rows (Agresti and Coull 1998). -#}
  ({{ hits }} + 2) / ({{ n }} + 4) * (1 - ({{ hits }} + 2) / ({{ n }} + 4)) / ({{ n }} + 4)
{%- endmacro %}

{% macro auc_variance() %}
  {#-
    Of the area under the ROC curve, from the places of each kind of rows among the other (DeLong, DeLong and Clarke-Pearson
    1988); where they all share one place, that of a share of the rarer kind.
  -#}
  {%- set pos_part = '(pos_places - pos * auc * auc) / nullif(pos - 1, 0) / pos' -%}
  {%- set neg_part = '(neg_places - (n - pos) * auc * auc) / nullif(n - pos - 1, 0) / (n - pos)' -%}
  {%- set rarer = 'case when pos < n - pos then pos else n - pos end' -%}
  case
    when auc is null then null
    when pos > 1 and n - pos > 1 and {{ pos_part }} + {{ neg_part }} > 1e-12 then {{ pos_part }} + {{ neg_part }}
    else {{ mlbridge.share_variance('auc * (' ~ rarer ~ ')', '(' ~ rarer ~ ')') }}
  end
{%- endmacro %}

{% macro f1_variance() %}
  {#- By the delta method from hits and errors (false positives and negatives), one of each more: 4 h e (h + e) / (2 h + e)^4. -#}
  {%- set hits, wrong = '(tp + 1)', '(predicted + pos - 2 * tp + 1)' -%}
  4e0 * {{ hits }} * {{ wrong }} * ({{ hits }} + {{ wrong }})
    / power(2e0 * {{ hits }} + {{ wrong }}, 4)
{%- endmacro %}

{% macro mean_error(total, squares) %}
  {#- Of a mean, from the sum and the sum of squares over `n` rows. -#}
  {%- set variance = squares ~ ' / n - ' ~ total ~ ' / n * ' ~ total ~ ' / n' -%}
  {{ return('sqrt(case when n > 1 and ' ~ variance ~ ' > 0 then (' ~ variance ~ ') / (n - 1) end)') }}
{% endmacro %}

{% macro interval_end(side) %}
  {#- An end of the 95 % interval, kept within what the metric can be. -#}
  {%- set end = 'value ' ~ side ~ ' 1.96e0 * se' -%}
  case
    {%- if side == '-' %}
    when metric <> 'r2' and {{ end }} < 0 then 0
    {%- else %}
    when metric in ('average_precision', 'roc_auc', 'accuracy', 'precision', 'recall', 'f1') and {{ end }} > 1 then 1
    {#- of many classes; of two it is hardly ever near 1 #}
    when metric = 'brier' and {{ end }} > 2 then 2
    {%- endif %}
    else {{ end }}
  end
{%- endmacro %}
