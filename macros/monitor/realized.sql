{# The metrics of a version where outcomes have come, by window and slice. #}

{% macro realized(name) %}
  {#-
    The selects for one model, two for each version whose outcomes have changed: the figures, and that there are none where
    all outcomes of a window were withdrawn. None when nothing has changed.
  -#}
  {%- set refs = {'predictions': ref(name ~ '_predictions'), 'split': ref(name ~ '_split'), 'versions': ref('ml_versions')} -%}
  {%- set training = ref(name ~ '_training') -%}
  {%- if not execute -%}{{ return([]) }}{%- endif -%}
  {%- set selects = [] -%}
  {%- for version, starts in mlbridge.open_windows(name, 'rows_labelled').items() -%}
    {%- set said = run_query("select params from " ~ training ~ " where version = " ~ version
        ~ " and outcome in ('promoted', 'rejected')").rows[0][0] -%}
    {%- set classes = fromjson(said)['classes'] -%}
    {%- set blocks = mlbridge.blocks_of(training, version) -%}
    {%- set rows = mlbridge.labelled_rows(name, version, classes, refs, starts, blocks.unit) -%}
    {%- set measured = mlbridge.of_classes(rows, classes, blocks.effects) if classes else mlbridge.of_numbers(rows, blocks.effects) -%}
    {%- do selects.append(mlbridge.measured_windows(name, version, measured, blocks)) -%}
    {%- if is_incremental() -%}{%- do selects.append(mlbridge.withdrawn_windows(name, version, starts)) -%}{%- endif -%}
  {%- endfor -%}
  {{ return(selects) }}
{% endmacro %}

{% macro labelled_rows(name, version, classes, refs, starts, unit) %}
  {#- A row per scored row with a known outcome and slice that it belongs to. -#}
  {%- set spec, monitor = mlbridge.spec(name), mlbridge.monitor(name) -%}
  {%- set target = 'facts.' ~ mlbridge.quoted(spec.target) -%}
  {%- set slices = {0: "'all'"} -%}
  {%- for slice in monitor.slices -%}{%- do slices.update({loop.index: mlbridge.slice_of(slice, 'facts')}) -%}{%- endfor -%}
  select
    {{ mlbridge.window_start(monitor.window, 'predictions.time') }} as window_start,
    {{ mlbridge.pick('places.place', slices) }} as slice,
    {{ mlbridge.block_expression(unit, refs.split) }} as block,
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
    and predictions.prediction is not null
    and {{ target }} is not null
    and {{ mlbridge.monitored('predictions', 'versions') }}
    and {{ mlbridge.window_start(monitor.window, 'predictions.time') }} in (
      {%- for start in starts %}{{ mlbridge.moment(start) }}{{ ', ' if not loop.last }}{% endfor -%}
    )
{% endmacro %}
