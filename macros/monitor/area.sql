{% macro area_of_bin() %}
  {#-
    The area between the two distribution functions within a bin, of `ml_distances`: `gap_before` and `gap` are their
    distances at its ends. Of values that lie in it as far as one likes from its edges, a function's own area is its rows
    times the upper edge less their sum, exactly. So is that between both where they do not cross within the bin, however
    wide it is; where they do, it is the least that the area can be. There, and where no sums are known, both are taken as
    straight lines. A gap below 1e-9 is what rounding leaves of none.
  -#}
  greatest(
    coalesce(
      abs(
        gap_before * (upper - lower) + (n * upper - n_sum) / nullif(rows_used, 0) - (m * upper - m_sum) / nullif(rows_baseline, 0)
      ),
      0e0
    ),
    case
      when gap_before * gap < 0 and least(abs(gap_before), abs(gap)) > 1e-9
        then (upper - lower) * (gap_before * gap_before + gap * gap) / (2 * (abs(gap_before) + abs(gap)))
      when n_sum is null or m_sum is null then (upper - lower) * (abs(gap_before) + abs(gap)) / 2
      else 0 * gap
    end
  )
{%- endmacro %}
