{# The realized metrics of a version, by window and slice. #}

{% macro realized(name) %}
  {#-
    The selects of one model, none when no outcome has changed: for each version with changed outcomes the metrics of the
    changed windows, and after the first build also the windows whose outcomes were all withdrawn.
  -#}
  {%- set refs = {'predictions': ref(name ~ '_predictions'), 'split': ref(name ~ '_split'), 'versions': ref('ml_versions')} -%}
  {%- set training = ref(name ~ '_training') -%}
  {%- if not mlbridge.is_running() or not mlbridge.is_built(name) -%}{{ return([]) }}{%- endif -%}
  {%- set selects = [] -%}
  {%- set open = mlbridge.open_windows(name, 'rows_labelled') -%}
  {%- for version in mlbridge.undamaged(open.keys() | list, name, training, ['metrics']) -%}
    {%- set starts = open[version] -%}
    {%- set params = run_query("select params from " ~ training ~ " where version = " ~ version
        ~ " and outcome in ('promoted', 'rejected')").rows[0][0] -%}
    {%- set classes = fromjson(params)['classes'] -%}
    {%- set blocks = mlbridge.blocks_of(training, version) -%}
    {%- set rows = mlbridge.labelled_rows(name, version, classes, refs, starts, blocks.unit) -%}
    {%- set measured = mlbridge.of_classes(rows, classes, blocks.effects) if classes else mlbridge.of_numbers(rows, blocks.effects) -%}
    {%- do selects.append(mlbridge.measured_windows(name, version, measured, blocks)) -%}
    {%- if is_incremental() -%}{%- do selects.append(mlbridge.withdrawn_windows(name, version, starts)) -%}{%- endif -%}
  {%- endfor -%}
  {{ return(selects) }}
{% endmacro %}

{% macro labelled_rows(name, version, classes, refs, starts, unit) %}
  {#- One row per slice of each scored row with a known outcome. -#}
  {%- set spec, monitor = mlbridge.spec(name), mlbridge.monitor(name) -%}
  {%- set target = 'facts.' ~ mlbridge.quoted(spec.target) -%}
  {%- set slices = {0: "'all'"} -%}
  {%- for slice in monitor.slices -%}{%- do slices.update({loop.index: mlbridge.slice_of(slice, 'facts')}) -%}{%- endfor -%}
  select
    {{ mlbridge.window_start(monitor.window, 'predictions.time') }} as window_start,
    {{ mlbridge.pick('items.item_no', slices) }} as slice,
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
  cross join {{ mlbridge.numbers(slices | length) }} as items
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
