{% macro muted_drift() %}
  {#- Why a row of `ml_drift` is no alert although its value may be above the threshold, the first of the reasons; NULL where it is
    judged by its threshold alone. All but the last hold whatever the values were. -#}
  case
    when value is null then 'no value in the window or in the baseline'
    when rows_used < {{ mlbridge.enough_rows() }} then 'fewer than {{ mlbridge.enough_rows() }} rows'
    when rows_baseline < {{ mlbridge.enough_rows() }} then 'fewer than {{ mlbridge.enough_rows() }} rows in the baseline'
    when not is_heard and not is_over then 'the window is not over'
    when not is_heard and rows_used < rows_typical / 10 then 'fewer than a tenth of the rows of a usual window'
    when not is_heard then 'fewer than a tenth of the rows of a usual window in the baseline'
    when bins <= 1 and metric in ('psi', 'js_distance', 'ks', 'chi_square') then 'one bin only: training had one value'
    when metric <> 'association_shift' and (metric <> 'association_change' or fixed is null) and threshold >= most
      then 'the threshold is more than the metric can be'
    when is_above and is_within_chance then 'a few far values: all others are within chance'
  end
{%- endmacro %}
