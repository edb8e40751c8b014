{# The metrics of a version where outcomes have come, by window and slice. #}

{% macro realized(name) %}
  {#- The selects for one model, one for each version that has gained outcomes; none when none has. -#}
  {%- set refs = {'predictions': ref(name ~ '_predictions'), 'split': ref(name ~ '_split'), 'versions': ref('ml_versions')} -%}
  {%- set training = ref(name ~ '_training') -%}
  {%- if not execute -%}{{ return([]) }}{%- endif -%}
  {%- set selects = [] -%}
  {%- for version, starts in mlbridge.open_windows(name, 'rows_labelled').items() -%}
    {%- set said = run_query("select params from " ~ training ~ " where version = " ~ version
        ~ " and outcome in ('promoted', 'rejected')").rows[0][0] -%}
    {%- set classes = fromjson(said)['classes'] -%}
    {%- set rows = mlbridge.labelled_rows(name, version, classes, refs, starts) -%}
    {%- set measured = mlbridge.of_classes(rows, classes) if classes else mlbridge.of_numbers(rows) -%}
    {%- do selects.append(mlbridge.measured_windows(name, version, measured)) -%}
  {%- endfor -%}
  {{ return(selects) }}
{% endmacro %}

{% macro labelled_rows(name, version, classes, refs, starts) %}
  {#- A row per scored row with a known outcome and slice that it belongs to. -#}
  {%- set spec, monitor = mlbridge.spec(name), mlbridge.monitor(name) -%}
  {%- set target = 'facts.' ~ mlbridge.quoted(spec.target) -%}
  {%- set slices = {0: "'all'"} -%}
  {%- for slice in monitor.slices -%}{%- do slices.update({loop.index: mlbridge.slice_of(slice, 'facts')}) -%}{%- endfor -%}
  select
    {{ mlbridge.window_start(monitor.window, 'predictions.time') }} as window_start,
    {{ mlbridge.pick('places.place', slices) }} as slice,
    {% if classes -%}
    predictions.prediction,
    cast({{ target }} as {{ dbt.type_string() }}) as truth,
    predictions.probability,
    predictions.probabilities
    {%- else -%}
    predictions.prediction_value as prediction,
    {{ mlbridge.as_number(refs.split, spec.target, 'facts') }} as truth
    {%- endif %}
  from {{ refs.predictions }} as predictions
  inner join {{ refs.split }} as facts on {{ mlbridge.same_row('predictions', 'facts', spec) }}
  inner join {{ refs.versions }} as versions
    on predictions.version = versions.version and versions.model = {{ mlbridge.text(name) }} and versions.outcome <> 'runner_up'
  cross join {{ mlbridge.numbers(slices | length) }} as places
  where
    predictions.version = {{ version }}
    and predictions.target = {{ mlbridge.text(spec.target) }}
    and {{ target }} is not null
    and {{ mlbridge.monitored('predictions', 'versions') }}
    and {{ mlbridge.window_start(monitor.window, 'predictions.time') }} in (
      {%- for start in starts %}{{ mlbridge.moment(start) }}{{ ', ' if not loop.last }}{% endfor -%}
    )
{% endmacro %}

{% macro of_classes(rows, classes) %}
  {%- set scores, names = {}, {} -%}
  {%- for class in classes -%}
    {%- do names.update({loop.index0: mlbridge.text(class)}) -%}
    {%- do scores.update({loop.index0: mlbridge.item_number('probabilities', loop.index0)}) -%}
  {%- endfor -%}
  {%- set double = mlbridge.type_double() -%}
  with labelled as (
    {{ rows }}
  ),

  scored as (
    select
      window_start,
      slice,
      place as class_no,
      {{ mlbridge.pick('place', scores) if classes | length > 2 else 'probability' }} as score,
      case when truth = {{ mlbridge.pick('place', names) }} then 1 else 0 end as is_of,
      case when prediction = {{ mlbridge.pick('place', names) }} then 1 else 0 end as is_predicted
    from labelled
    {% if classes | length > 2 -%}
    cross join {{ mlbridge.numbers(classes | length) }} as classes
    {%- else -%}
    cross join (select 1 as place) as classes
    {%- endif %}
  ),

  counted as (
    select
      window_start,
      slice,
      class_no,
      score,
      -- counts, because an engine keeps less for them than for sums, and there is a group for nearly every row
      cast(count(case when is_of = 1 then 1 end) as {{ double }}) as pos,
      cast(count(case when is_of = 0 then 1 end) as {{ double }}) as neg,
      cast(count(case when is_of = 1 and is_predicted = 1 then 1 end) as {{ double }}) as tp,
      cast(count(case when is_of = 0 and is_predicted = 1 then 1 end) as {{ double }}) as fp,
      {{ mlbridge.surprise('score') }} as log_of,
      {{ mlbridge.surprise('1 - score') if classes | length == 2 else '0' }} as log_of_other
    from scored
    group by window_start, slice, class_no, score
  ),

  grouped as (
    select
      counted.*,
      pos * (1 - score) * (1 - score) + neg * score * score as brier,
      pos * power(1 - score, 4) + neg * power(score, 4) as brier_square,
      pos * log_of + neg * log_of_other as log,
      pos * log_of * log_of + neg * log_of_other * log_of_other as log_square
    from counted
  ),

  {{ mlbridge.classification_metrics('grouped', ['window_start', 'slice']) }}

  select * from measured
{% endmacro %}

{% macro surprise(probability) %}
  {#- -ln of a probability, kept away from 0 and 1 by the epsilon of a 64-bit float. -#}
  {%- set least = '2.220446049250313e-16' -%}
  -ln(case when {{ probability }} < {{ least }} then {{ least }} when {{ probability }} > 1 - {{ least }} then 1 - {{ least }}
    else {{ probability }} end)
{%- endmacro %}
