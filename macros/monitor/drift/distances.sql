{# Distances of two distributions over the same bins; aggregates over the rows of `int_ml_drift_wide`. #}

{% macro js_distance() %}
  {#- The Jensen-Shannon distance. A share of 0 adds nothing; rounding may leave the divergence below 0. -#}
  {%- set divergence -%}
  sum(
    case
      when bin >= 0 and share + baseline_share > 0
        then
          case when share > 0 then share * ln(2 * share / (share + baseline_share)) else 0 end
          + case when baseline_share > 0 then baseline_share * ln(2 * baseline_share / (share + baseline_share)) else 0 end
    end
  ) / 2
  {%- endset -%}
  {{ return('sqrt(greatest(' ~ divergence ~ ', 0 * ' ~ divergence ~ '))') }}
{% endmacro %}

{% macro chi_square() %}
  {#- Pearson's statistic of the table of two rows (window, baseline) and a column for each bin that is not empty in both. -#}
  sum(
    case
      when kind = 'category' and bin >= 0 and rows_in_bin + baseline_rows_in_bin > 0
        then
          (share - pooled_share) * (share - pooled_share) / pooled_share * rows_used
          + (baseline_share - pooled_share) * (baseline_share - pooled_share) / pooled_share * rows_baseline
    end
  )
{%- endmacro %}

{% macro wasserstein() %}
  {#- The area between the two distribution functions, in standard deviations of the training: within the range of training
    by bin, outside of it by how far the rows lie outside on average. -#}
  (
    sum(case when bin >= 0 then {{ mlbridge.area_of_bin() }} end)
    + abs(max(overshoot_below) / nullif(rows_used, 0) - max(baseline_overshoot_below) / nullif(rows_baseline, 0))
    + abs(max(overshoot_above) / nullif(rows_used, 0) - max(baseline_overshoot_above) / nullif(rows_baseline, 0))
  ) / nullif(max(std), 0)
{%- endmacro %}

{% macro area_of_bin() %}
  {#-
    The area between the two distribution functions within a bin: `cdf_gap_before` and `cdf_gap` are their distances at its ends.
    The area under one function is known exactly from the sum of the values in the bin: rows times the upper edge less that sum. So
    is the area between both where they do not cross within the bin; where they cross, the difference is the least that the area
    can be. There, and where no sums are known, both functions are taken as straight lines. A gap below 1e-9 is a rounding error.
  -#}
  greatest(
    coalesce(
      abs(
        cdf_gap_before * (upper - lower)
        + (rows_in_bin * upper - value_sum) / nullif(rows_used, 0)
        - (baseline_rows_in_bin * upper - baseline_value_sum) / nullif(rows_baseline, 0)
      ),
      0e0
    ),
    case
      when cdf_gap_before * cdf_gap < 0 and least(abs(cdf_gap_before), abs(cdf_gap)) > 1e-9
        then (upper - lower) * (cdf_gap_before * cdf_gap_before + cdf_gap * cdf_gap) / (2 * (abs(cdf_gap_before) + abs(cdf_gap)))
      when value_sum is null or baseline_value_sum is null then (upper - lower) * (abs(cdf_gap_before) + abs(cdf_gap)) / 2
      else 0 * cdf_gap
    end
  )
{%- endmacro %}
