{# Sums over the blocks of a window: by class, over the classes, and how they scatter between blocks. #}

{% macro of_class(key, spread) %}
  {#- The metrics of each class against the rest, and the variance of each from independent rows. -#}
  {%- set sums = ['pos', 'n', 'tp', 'predicted', 'tn', 'pos_places', 'pos_squares', 'neg_places', 'neg_squares', 'precisions',
    'pos_turns', 'turn_squares', 'log', 'log_square', 'log_pos', 'brier', 'brier_square', 'brier_pos'] -%}
  select
    summed.*,
    count(*) over (partition by {{ key }}) as classes,
    case when predicted + pos > 0 then 1 else 0 end as occurs,
    tp / nullif(predicted, 0) as right_share,
    tp / nullif(pos, 0) as found_share,
    2 * tp / nullif(predicted + pos, 0) as f1,
    case when n > pos then pos_places / nullif(pos, 0) end as auc,
    {{ mlbridge.auc_variance() }} as auc_variance,
    precisions / nullif(pos, 0) as ap,
    {{ 'precisions_spread' if spread else 'precisions' }} / nullif(pos, 0) as ap_seen,
    (turn_squares - 2 * precisions / nullif(pos, 0) * pos_turns + precisions * precisions / nullif(pos, 0))
    / nullif(pos * pos, 0) as ap_variance,
    (pos_turns - precisions) / nullif(pos, 0) as ap_with
  from (
    select
      {{ key }},
      class_no
      {%- for column in sums + (['precisions_spread'] if spread else []) %},
      sum({{ column }}) as {{ column }}
      {%- endfor %}
    from of_block
    group by {{ key }}, class_no
  ) as summed
{% endmacro %}

{% macro of_all_classes(key) %}
  {#- The metrics over the classes, their variances from independent rows, and what the baselines are made of. -#}
  select
    {{ key }},
    max(n) as n,
    max(classes) as classes,
    max(pos) as pos,
    max(tp) as tp,
    sum(predicted) as predicted,
    min(case when classes = 1 or occurs = 1 then pos end) as least_pos,
    min(case when classes = 1 or occurs = 1 then predicted end) as least_predicted,
    min(case when classes = 1 or occurs = 1 then predicted + pos - tp end) as least_touched,
    min(case when 2 * pos > n then n - pos else pos end) as rarer,
    max(log_pos) as log_pos,
    max(brier_pos) as brier_pos,
    max(ap_with) as ap_with,
    count(ap) as ap_count,
    count(auc) as auc_count,
    sum(case when classes = 1 then 1 else occurs end) as counted,
    avg(case when classes = 1 or occurs = 1 then pos / n end) as share,
    avg(case when classes = 1 or occurs = 1 then predicted / n end) as flagged,
    {{ mlbridge.of_shares() }},
    {{ mlbridge.macro_means() }}
  from of_class
  group by {{ key }}
{% endmacro %}

{% macro of_shares() %}
  {#- Entropy, Gini impurity, the greatest share, and the F1 of predicting the most frequent class always. -#}
  {%- set other = '(1 - pos / n)' -%}
  -coalesce(sum(pos / n * ln(nullif(pos / n, 0))), 0)
  - coalesce(max(case when classes = 1 and pos < n then {{ other }} * ln({{ other }}) end), 0) as entropy,
  case when max(classes) = 1 then max(pos / n * {{ other }}) else 1 - sum(pos / n * pos / n) end as gini,
  max(case when classes = 1 and 2 * pos < n then {{ other }} else pos / n end) as majority,
  2 * max(pos / n) / (1 + max(pos / n)) / nullif(sum(case when classes = 1 then 1 else occurs end), 0) as f1_of_all
{%- endmacro %}

{% macro macro_means() %}
  {#- The value of each metric and the variance of it; of many classes those of the classes are taken as independent. -#}
  {%- set hits = 'sum(case when classes = 1 then tp + tn else tp end)' -%}
  {%- set in_mean = 'case when classes = 1 or occurs = 1 then ' -%}
  {%- set means = {
    'precision': [in_mean ~ 'coalesce(right_share, 0) end', in_mean ~ 'right_share * (1 - right_share) / predicted end'],
    'recall': [in_mean ~ 'coalesce(found_share, case when classes > 1 then 0 end) end',
      in_mean ~ 'found_share * (1 - found_share) / pos end'],
    'f1': ['f1', mlbridge.f1_variance()],
  } -%}
  avg(ap_seen) as average_precision_value,
  sum(ap_variance) / nullif(count(ap) * count(ap), 0) as average_precision_variance,
  avg(auc) as roc_auc_value,
  sum(auc_variance) / nullif(count(auc) * count(auc), 0) as roc_auc_variance,
  {%- for name, said in means.items() %}
  avg({{ said[0] }}) as {{ name }}_value,
  sum({{ said[1] }}) / nullif(count({{ said[0] }}) * count({{ said[0] }}), 0) as {{ name }}_variance,
  {%- endfor %}
  {{ hits }} / nullif(max(n), 0) as accuracy_value,
  {{ hits }} / max(n) * (1 - {{ hits }} / max(n)) / max(n) as accuracy_variance,
  {%- for name, column in {'log_loss': 'log', 'brier': 'brier'}.items() %}
  sum({{ column }}) / nullif(max(n), 0) as {{ name }}_value,
  {# the squares of many classes: at most as many times their sum #}
  {{ mlbridge.mean_variance('sum(' ~ column ~ ')', 'sum(' ~ column ~ '_square)' ~ (' * max(classes)' if name == 'brier' else ''), 'max(n)') }}
  as {{ name }}_variance{{ ',' if not loop.last }}
  {%- endfor %}
{%- endmacro %}

{% macro block_errors(key) %}
  {#- The CTE `by_block`: how many blocks there are, and by metric the sum of the squares of what each moves it by. -#}
  {%- set metrics = mlbridge.class_metrics() -%}
  {%- set keys = key.split(', ') -%}
  influences as (
    select
      {% for each in keys %}b.{{ each }}, {% endfor -%}
      b.block,
      {%- for name, said in metrics.items() %}
      sum({{ said.influence }}) as {{ name }}_moved,
      {%- endfor %}
      max(case when c.classes = 1 then b.pos / c.n - c.pos * b.n / c.n / c.n end) as share_moved,
      max(case when c.classes = 1 then b.predicted / c.n - c.predicted * b.n / c.n / c.n end) as flagged_moved
    from of_block as b
    inner join of_class as c
      on b.class_no = c.class_no{% for each in keys %} and b.{{ each }} = c.{{ each }}{% endfor %}
    group by {% for each in keys %}b.{{ each }}, {% endfor %}b.block
  ),

  by_block as (
    select
      {% for each in keys %}i.{{ each }}, {% endfor -%}
      count(*) as block_count
      {%- for name, said in metrics.items() %},
      sum(power({{ name }}_moved / {{ 'v.' ~ said.over if said.over != '1' else '1' }}, 2)) as {{ name }}_square,
      sum(power({{ name }}_moved / {{ 'v.' ~ said.over if said.over != '1' else '1' }}
        - v.{{ name }}_turn * coalesce({{ said.driver }}_moved, 0), 2)) as {{ name }}_skill_square
      {%- endfor %}
    from influences as i
    inner join valued as v on {% for each in keys %}i.{{ each }} = v.{{ each }}{{ ' and ' if not loop.last }}{% endfor %}
    group by {% for each in keys %}i.{{ each }}{{ ', ' if not loop.last }}{% endfor %}
  )
{%- endmacro %}
