{# Why a performance figure cannot alert. #}

{% macro muted_performance() %}
  {#- The first reason that applies, in words; NULL where the figure can alert. -#}
  case
    when n = 0 then 'its outcomes were withdrawn'
    when value is null then 'not defined on these rows'
    when not {{ mlbridge.is_over('window_end') }} then 'the window is not over'
    when n < {{ mlbridge.enough_rows() }} then 'fewer than {{ mlbridge.enough_rows() }} rows'
    when events < {{ mlbridge.enough_events() }} then 'fewer than {{ mlbridge.enough_events() }} rows outside the commonest class'
    when support < {{ mlbridge.enough_events() }} and (share is not null or not is_fixed) then 'it rests on fewer than {{ mlbridge.enough_events() }} rows'
    when is_fixed then null
    when baseline = perfect then 'the naive baseline is perfect on these rows, as where all outcomes are alike'
    when baseline is null then 'nothing known of the naive baseline on these rows'
    when skill is null then 'no other window of the training to compare with'
    when not is_by_window and window_start < trained then 'the only rows to compare with are among its own'
    when skill <= 0 then 'no better than the naive baseline in the training either'
    when skill <= chance and not coalesce(is_worse_than_naive, false) then 'so few rows or blocks that chance alone may hide all of its skill'
  end
{%- endmacro %}
