{# The metrics of drift: which there are, and each as a row of its own. #}

{% macro drift_metrics() %}
  {#- Metric and the column of `ml_distances` that holds it. -#}
  {{ return({
    'psi': 'psi',
    'js_distance': 'sqrt(case when divergence > 0 then divergence else 0 * divergence end)',
    'ks': 'ks',
    'wasserstein': 'wasserstein',
    'chi_square': 'chi_square',
    'null_share_change': 'rows_null / nullif(rows_all, 0) - baseline_null / nullif(baseline_all, 0)',
    'unseen_share': 'unseen_share',
    'association_change': '1 - correlation / partner_correlation',
    'association_shift': 'association_shift',
  }) }}
{% endmacro %}

{% macro size_of(value) %}
  {#- What of a metric counts: more NULLs and fewer NULLs are both a change. -#}
  {{ return("case when metric = 'null_share_change' then abs(" ~ value ~ ') else ' ~ value ~ ' end') }}
{% endmacro %}

{% macro as_distance(value) %}
  {#- Psi and chi-square are squares of distances; the others are distances. -#}
  {{ return("case when metric in ('psi', 'chi_square') then sqrt(case when " ~ value ~ ' > 0 then ' ~ value ~ ' else 0 end) else '
    ~ value ~ ' end') }}
{% endmacro %}

{% macro of_distance(distance) %}
  {{ return("case when metric in ('psi', 'chi_square') then (" ~ distance ~ ') * (' ~ distance ~ ') else ' ~ distance ~ ' end') }}
{% endmacro %}

{% macro one_row_per_metric() %}
  {#- `ml_distances` with a row per metric; which rows a metric could use, and the `scale` by which it grows with them. -#}
  {%- set metrics = mlbridge.drift_metrics() -%}
  {%- set names, values = {}, {} -%}
  {%- for name, value in metrics.items() -%}
    {%- do names.update({loop.index0: mlbridge.text(name)}) -%}
    {%- do values.update({loop.index0: value}) -%}
  {%- endfor -%}
  {%- set of_all = "case when metric = 'null_share_change' then " -%}
  select
    model, version, period, window_start, feature, baseline, metric, kind, bins, singles, rows_new, value, partner_correlation, ks,
    unseen_share,
    baseline_null / nullif(baseline_all, 0) as baseline_null_share,
    {{ of_all }}rows_all else rows_used end as rows_used,
    {{ of_all }}baseline_all else rows_baseline end as rows_baseline,
    case when metric = 'chi_square' then rows_used * rows_baseline / nullif(rows_used + rows_baseline, 0) else 1 end as scale,
    {{ of_all }}1 / nullif(rows_all, 0) + 1 / nullif(baseline_all, 0)
      else 1 / nullif(rows_used, 0) + 1 / nullif(rows_baseline, 0) end as u
  from (
    select
      distances.*,
      {{ mlbridge.pick('places.place', names) }} as metric,
      {{ mlbridge.pick('places.place', values) }} as value
    from {{ ref('ml_distances') }} as distances
    cross join {{ mlbridge.numbers(metrics | length) }} as places
  ) as every
  where
    {# What a metric is not defined for has no row; what has no value in this window has one. -#}
    case
      when metric in ('ks', 'wasserstein') then kind = 'numeric'
      when metric = 'chi_square' then kind = 'category'
      when metric = 'unseen_share' then baseline = 'training'
      when metric in ('association_change', 'association_shift') then baseline = 'training' and partner_correlation is not null
      {# An outcome that is not known yet says nothing of the world. -#}
      when metric = 'null_share_change' then feature not in ('ml_prediction', 'ml_target')
      else true
    end
{% endmacro %}

{% macro fixed_thresholds() %}
  {#- `model, feature, metric, threshold`: what the specs' `monitor` fixes; `feature` is NULL where it holds for all. -#}
  {%- set rows = [] -%}
  {%- for name in mlbridge.models() if execute -%}
    {%- set monitor = mlbridge.monitor(name) -%}
    {%- for feature, said in dict({none: monitor.thresholds}, **monitor.feature_thresholds).items() -%}
      {%- for metric, threshold in said.items() -%}
        {%- do rows.append('select ' ~ mlbridge.text(name) ~ ' as model, cast(' ~ mlbridge.text(feature) ~ ' as '
          ~ dbt.type_string() ~ ') as feature, ' ~ mlbridge.text(metric) ~ ' as metric, ' ~ mlbridge.number(threshold)
          ~ ' as threshold') -%}
      {%- endfor -%}
    {%- endfor -%}
  {%- endfor -%}
  {%- set nothing = 'select cast(null as ' ~ dbt.type_string() ~ ') as model, cast(null as ' ~ dbt.type_string()
    ~ ') as feature, cast(null as ' ~ dbt.type_string() ~ ') as metric, cast(null as ' ~ mlbridge.type_double()
    ~ ') as threshold from ' ~ mlbridge.numbers(1) ~ ' as nowhere where 1 = 0' -%}
  {{ return(rows | join(' union all ') if rows else nothing) }}
{% endmacro %}
