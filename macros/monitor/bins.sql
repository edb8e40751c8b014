{# Which bin of a stored profile a value belongs to, as mlbridge/profile.py counts them. #}

{% macro folded() %}{#- Categories from this bin on are compared as one. -#}{{ return(100) }}{% endmacro %}

{% macro numeric_bin(value, bins) %}
  {#- `bins` are the profile's records of one feature, by bin. -1 is NULL, -2 below training's least value, one more
      than the last bin above its greatest. -#}
  {%- set whens = ['when ' ~ value ~ ' is null then -1'] -%}
  {%- if bins[0].lower is not none -%}
    {%- do whens.append('when ' ~ value ~ ' < ' ~ mlbridge.number(bins[0].lower) ~ ' then -2') -%}
  {%- endif -%}
  {%- for each in bins if each.upper is not none -%}
    {%- do whens.append('when ' ~ value ~ ' <= ' ~ mlbridge.number(each.upper) ~ ' then ' ~ each.bin) -%}
  {%- endfor -%}
  {{ return('case ' ~ whens | join(' ') ~ ' else ' ~ (bins[-1].bin + 1) ~ ' end') }}
{% endmacro %}

{% macro category_bin(value, found, bins) %}
  {#- `found` is the bin that the profile gives the value. A value that is not listed was not in training (-2), unless the
      profile could not list all values: then it may be one of the others. -#}
  {%- set others = bins[-1] -%}
  {%- set unlisted = [others.bin, mlbridge.folded()] | min if others.rows > 0 else -2 -%}
  {{ return('case when ' ~ value ~ ' is null then -1 when ' ~ found ~ ' is null then ' ~ unlisted ~ ' when ' ~ found ~ ' > '
    ~ mlbridge.folded() ~ ' then ' ~ mlbridge.folded() ~ ' else ' ~ found ~ ' end') }}
{% endmacro %}

{% macro summable(value, bins) %}
  {#-
    A number as it is summed: infinite ones and those beyond 1e100 lie on the edge of the range of training, or are not summed
    where that is as far out. One of them in a sum would leave nothing of the others, and PostgreSQL refuses a sum beyond 1.8e308.
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

{% macro most_summed() %}{#- From here on a number is too far out to be summed with others. -#}{{ return('1e100') }}{% endmacro %}

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
  {#- The mid-rank of a bin among training's values: the share below it and half its own. -#}
  {%- set known = bins | sum(attribute='rows') -%}
  {%- if not known -%}{{ return('null') }}{%- endif -%}
  {%- set below = namespace(rows=0) -%}
  {%- set cases = {-2: '0e0', bins[-1].bin + 1: '1e0'} -%}
  {%- for each in bins -%}
    {%- do cases.update({each.bin: mlbridge.number((below.rows + each.rows / 2) / known)}) -%}
    {%- set below.rows = below.rows + each.rows -%}
  {%- endfor -%}
  {{ return(mlbridge.pick(bin, cases)) }}
{% endmacro %}

{% macro step_bin(score, predicted, steps) %}
  {#- The step of a class's calibration that a score belongs to, and whether the class was predicted, as one number;
      `ml_performance` takes it apart again. -#}
  {%- set whens = [] -%}
  {%- for each in steps if each.upper is not none -%}
    {%- do whens.append('when ' ~ score ~ ' <= ' ~ mlbridge.number(each.upper) ~ ' then ' ~ 2 * each.step) -%}
  {%- endfor -%}
  {%- set step = 'case ' ~ whens | join(' ') ~ ' else ' ~ 2 * steps[-1].step ~ ' end' if whens else 2 * steps[-1].step -%}
  {{ return('case when ' ~ score ~ ' is null then -1 else ' ~ steps[0].class_no * 1000 ~ ' + ' ~ step ~ ' + case when '
    ~ predicted ~ ' then 1 else 0 end end') }}
{% endmacro %}

{% macro leaf_of(nodes, values, place=0) %}
  {#- The leaf of the tree of losses that a row falls into. `nodes` by number; `values` gives each input as SQL. -#}
  {%- set node = nodes[place] -%}
  {%- if node.leaf is not none -%}{{ return(node.leaf | string) }}{%- endif -%}
  {%- set value = values[node.feature] -%}
  {%- set left = value ~ ' <= ' ~ mlbridge.number(node.threshold) -%}
  {%- if node.missing_left -%}{%- set left = '(' ~ left ~ ' or ' ~ value ~ ' is null)' -%}{%- endif -%}
  {{ return('case when ' ~ left ~ ' then ' ~ mlbridge.leaf_of(nodes, values, node.left) ~ ' else '
    ~ mlbridge.leaf_of(nodes, values, node.right) ~ ' end') }}
{% endmacro %}
