{# Which bin of a stored profile a value belongs to, as in mlbridge/reference/profile.py. #}

{% macro folded() %}{#- Categories from this bin on are compared as one bin. -#}{{ return(100) }}{% endmacro %}

{% macro numeric_bin(value, bins) %}
  {#-
    The bin of a number; `bins` are the profile's records of the feature, by bin. -1 for NULL, -2 below the least value of
    training, the last bin plus one above its greatest.
  -#}
  {%- set whens = ['when ' ~ value ~ ' is null then -1'] -%}
  {%- if bins[0].lower is not none -%}
    {%- do whens.append('when ' ~ value ~ ' < ' ~ mlbridge.number(bins[0].lower) ~ ' then -2') -%}
  {%- endif -%}
  {%- set bounded = bins | rejectattr('upper', 'none') | list -%}
  {%- set uppers = mlbridge.number_literals(bounded | map(attribute='upper')) -%}
  {%- set bin = mlbridge.up_to(value, uppers, bounded | map(attribute='bin') | list, bins[-1].bin + 1) -%}
  {{ return('case ' ~ whens | join(' ') ~ ' else ' ~ bin ~ ' end') }}
{% endmacro %}

{% macro category_bin(value, found, bins, most) %}
  {#-
    The bin of a category; `found` is its bin in the profile, NULL if it is not listed, and bins from `most` on count as
    one. A category that is not listed was not in training (-2), unless the profile could not list all of them.
  -#}
  {%- set unlisted = [bins[-1].bin, most] | min if bins[-1].rows > 0 else -2 -%}
  {{ return('case when ' ~ value ~ ' is null then -1 when ' ~ found ~ ' is null then ' ~ unlisted ~ ' when ' ~ found ~ ' > '
    ~ most ~ ' then ' ~ most ~ ' else ' ~ found ~ ' end') }}
{% endmacro %}

{% macro summable(value, bins) %}
  {#-
    A number as it may be summed: an infinite one, or one beyond 1e100, counts as the edge of the range of training, or as
    NULL if that edge is as far out. Otherwise it would make the whole sum infinite, or an error in PostgreSQL.
  -#}
  {%- set most = mlbridge.most_summed() -%}
  {%- set edges = {'<': bins[0].lower, '>': bins[-1].upper} -%}
  {%- set whens = [] -%}
  {%- for sign, edge in edges.items() -%}
    {%- set far = value ~ (' <= -' if sign == '<' else ' >= ') ~ most -%}
    {%- set inside = edge is not none and (edge | float) | abs < most | float -%}
    {%- do whens.append('when ' ~ far ~ ' then ' ~ (mlbridge.number(edge) if inside else 'null')) -%}
  {%- endfor -%}
  {{ return('case ' ~ whens | join(' ') ~ ' else ' ~ value ~ ' end') }}
{% endmacro %}

{% macro most_summed() %}{#- Numbers of this absolute value or more are not summed. -#}{{ return('1e100') }}{% endmacro %}

{% macro overshoot(value, bins) %}
  {#- How far a number lies outside the range of training; NULL inside. -#}
  {%- set lower, upper = bins[0].lower, bins[-1].upper -%}
  {%- if lower is none or upper is none -%}{{ return('null') }}{%- endif -%}
  {%- set low, high = mlbridge.number(lower), mlbridge.number(upper) -%}
  {%- set seen = mlbridge.summable(value, bins) -%}
  {{ return('case when ' ~ value ~ ' < ' ~ low ~ ' then ' ~ low ~ ' - ' ~ seen ~ ' when ' ~ value ~ ' > ' ~ high ~ ' then '
    ~ seen ~ ' - ' ~ high ~ ' end') }}
{% endmacro %}

{% macro rank_of_bin(bin, bins) %}
  {#-
    The mid-rank of a bin among the training values, 0 to 1: the share below it and half its own share. 0 below the least
    value of training (-2), 1 above its greatest, NULL for NULL (-1).
  -#}
  {%- set known = bins | map(attribute='rows') | sum -%}
  {%- if not known -%}{{ return('null') }}{%- endif -%}
  {%- set below, by_bin, ranks = namespace(rows=0), {-2: 0, bins[-1].bin + 1: 1}, [] -%}
  {%- for each in bins -%}
    {%- do by_bin.update({each.bin: (below.rows + each.rows / 2) / known}) -%}
    {%- set below.rows = below.rows + each.rows -%}
  {%- endfor -%}
  {%- for each in range(-2, bins[-1].bin + 2) -%}{%- do ranks.append(by_bin.get(each)) -%}{%- endfor -%}
  {{ return(mlbridge.lookup(bin ~ ' + 2', mlbridge.number_literals(ranks))) }}
{% endmacro %}

{% macro step_bin(score, predicted, steps) %}
  {#-
    One number for the calibration step of a class's score and whether the class was predicted; `int_ml_estimated_metrics`
    splits it again.
  -#}
  {%- set bounded = steps | rejectattr('upper', 'none') | list -%}
  {%- set numbers = [] -%}
  {%- for each in bounded -%}{%- do numbers.append(2 * each.step) -%}{%- endfor -%}
  {%- set step = mlbridge.up_to(score, mlbridge.number_literals(bounded | map(attribute='upper')), numbers, 2 * steps[-1].step) -%}
  {{ return('case when ' ~ score ~ ' is null then -1 else ' ~ steps[0].class_no * 1000 ~ ' + ' ~ step ~ ' + case when '
    ~ predicted ~ ' then 1 else 0 end end') }}
{% endmacro %}

{% macro leaf_of(nodes, values, place=0) %}
  {#-
    The leaf of the regression tree of errors that a row falls into. `nodes` by number; `values` gives each input as SQL.
  -#}
  {%- set node = nodes[place] -%}
  {%- if node.leaf is not none -%}{{ return(node.leaf | string) }}{%- endif -%}
  {%- set value = values[node.feature] -%}
  {%- set left = value ~ ' <= ' ~ mlbridge.number(node.threshold) -%}
  {%- if node.missing_left -%}{%- set left = '(' ~ left ~ ' or ' ~ value ~ ' is null)' -%}{%- endif -%}
  {{ return('case when ' ~ left ~ ' then ' ~ mlbridge.leaf_of(nodes, values, node.left) ~ ' else '
    ~ mlbridge.leaf_of(nodes, values, node.right) ~ ' end') }}
{% endmacro %}
