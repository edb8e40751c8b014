{# The requests that a server has answered, as rows of `<model>_predictions`: which count, and which one of a row stands. #}

{% macro requests_of(predictions) %}
  {#- The node whose rows a `<model>_predictions` takes in: the one it reads that calls `mlbridge.requests`. None without one. -#}
  {%- for id in predictions.depends_on.nodes -%}
    {%- set node = graph.nodes.get(id, {}) -%}
    {%- if node.resource_type == 'model' and 'mlbridge_requests' in (node.config.get('meta') or {}) -%}{{ return(node) }}{%- endif -%}
  {%- endfor -%}
  {{ return(none) }}
{% endmacro %}

{% macro requests_node(name) %}
  {#- The same of a model by its name, from any node. -#}
  {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == name ~ '_predictions' -%}
    {{ return(mlbridge.requests_of(node)) }}
  {%- endfor -%}
  {{ return(none) }}
{% endmacro %}

{% macro has_requests(name, predictions) %}
  {#- Whether the predictions of a model have rows of requests: those with a `request_id`. The table is only asked where it takes some in. -#}
  {%- if not mlbridge.is_running() or mlbridge.requests_node(name) is none -%}{{ return(false) }}{%- endif -%}
  {{ return('request_id' in mlbridge.names_in(predictions)) }}
{% endmacro %}

{% macro take_in_requests(existing) %}
  {#-
    Appends the rows of requests that stand and are not in the table `existing` yet, before the build scores: what was answered to
    somebody is the prediction of its row. Logs how many there are, and how many recorded rows are none, by reason. Returns the number.
  -#}
  {%- set node = mlbridge.requests_of(model) -%}
  {%- if node is none or existing is none or flags.EMPTY -%}{{ return(0) }}{%- endif -%}
  {%- if node.config.materialized == 'ephemeral' -%}
    {{ mlbridge.refuse(model.name, node.name ~ ' is ephemeral. Make it a view or a table, so that its rows can be taken in.') }}
  {%- endif -%}
  {%- set name, requests, there = model.name[:-12], ref(node.name), mlbridge.names_in(existing) -%}
  {%- set lacking = [] -%}
  {%- for column in ['request_id', 'features', 'not_scored_because'] if column not in there -%}
    {%- do lacking.append(api.Column.create(column, dbt.type_string())) -%}
  {%- endfor -%}
  {%- if lacking -%}{%- do alter_relation_add_remove_columns(existing, lacking, none) -%}{%- endif -%}
  {%- set rows = mlbridge.judged_requests(name, requests, mlbridge.upstream(name ~ '_split'), mlbridge.upstream(name ~ '_training'), existing) -%}
  {%- set columns, judged = mlbridge.prediction_types().keys() | list + ['request_id', 'features'], adapter.quote('ml judged ' ~ name) -%}
  {#- A node that failed in this session may have left it. -#}
  {%- do run_query('drop table if exists ' ~ judged) -%}
  {%- do mlbridge.end_transaction() -%}
  {%- do mlbridge.begin_transaction(existing) -%}
  {%- call statement('judge', auto_begin=True) -%}
    create temporary table {{ judged }} as
    {{ rows }}
  {%- endcall -%}
  {%- call statement('take_in', auto_begin=True) -%}
    insert into {{ existing }} ({{ columns | join(', ') }})
    {{ mlbridge.standing_requests(name, judged, existing, columns) }}
  {%- endcall -%}
  {%- do mlbridge.commit_transaction() -%}
  {%- set taken = run_query('select count(*) from ' ~ existing ~ ' where request_id is not null and invocation_id = '
    ~ mlbridge.text(invocation_id)).rows[0][0] | int -%}
  {%- do mlbridge.log_requests(taken, judged, node.name) -%}
  {%- do run_query('drop table ' ~ judged) -%}
  {{ return(taken) }}
{% endmacro %}

{% macro log_requests(taken, judged, source) %}
  {%- set parts = [] -%}
  {%- for row in run_query('select left_out, count(*) from ' ~ judged ~ ' where left_out is not null group by 1 order by 1').rows -%}
    {%- do parts.append('{:,}'.format(row[1] | int) ~ ' because ' ~ row[0]) -%}
  {%- endfor -%}
  {%- do log(model.name ~ ': ' ~ '{:,}'.format(taken) ~ ' new row(s) of requests from ' ~ source
    ~ ('; left out of all that it has: ' ~ parts | join(', ') if parts else ''), info=true) -%}
{% endmacro %}

{% macro judged_requests(name, requests, split, training, predictions) %}
  {#-
    A SELECT of all recorded rows of a model that this build knows of: the columns of the requests, `entity` and `time` (UTC) as the
    predictions have them, the `target` that was predicted, `left_out`, why a row is no prediction to be monitored (NULL where it is one),
    and `is_whole`, whether all features of the version were recorded. A row that `predictions` has was judged when it came there.
  -#}
  {%- set known = mlbridge.kept_versions(training, "outcome <> 'withheld' and " ~ mlbridge.is_known('as_of')) -%}
  {%- set mine = 'model = ' ~ mlbridge.text(name) ~ ' and ' ~ mlbridge.is_past('received_at') -%}
  {%- set selects = [] -%}
  {%- set served = run_query('select distinct version from ' ~ requests ~ ' where ' ~ mine ~ ' order by version').columns[0].values() -%}
  {%- for number in served | map('int') if number in known -%}
    {%- do selects.append(mlbridge.judged_by_version(name, mlbridge.scoring_version(training, number), requests, split, predictions, mine)) -%}
  {%- endfor -%}
  {%- set unknown = 'cast(null as ' ~ dbt.type_string() ~ ') as entity, cast(null as timestamp) as time, cast(null as ' ~ dbt.type_string()
    ~ ") as target, 'its version is not in the logbook or withheld' as left_out, false as is_whole" -%}
  {%- do selects.append('select requests.*, ' ~ unknown ~ ' from ' ~ requests ~ ' as requests where ' ~ mine
    ~ (' and version not in (' ~ known | join(', ') ~ ')' if known else '')) -%}
  {{ return(selects | join('\nunion all\n')) }}
{% endmacro %}

{% macro is_past(moment) %}
  {#- Whether a moment is known to this build by its clock. -#}
  {{ return(moment ~ " <= cast('" ~ mlbridge.as_of() ~ "' as timestamp)") }}
{% endmacro %}

{% macro judged_by_version(name, version, requests, split, predictions, mine) %}
  {%- set types, spec, key = mlbridge.types_of(split), version.spec, mlbridge.parsed('requests.key', version.spec.entity + [version.spec.time]) -%}
  {%- set text = dbt.type_string() -%}
  {%- if (spec.entity + [spec.time, spec.target]) | reject('in', types) | list -%}
    {{ return('select requests.*, cast(null as ' ~ text ~ ') as entity, cast(null as timestamp) as time, ' ~ mlbridge.text(spec.target)
      ~ " as target, 'the split lacks the key of its version' as left_out, false as is_whole from " ~ requests ~ ' as requests where ' ~ mine
      ~ ' and requests.version = ' ~ version.number) }}
  {%- endif -%}
  {%- set texts, lacking = [], [] -%}
  {%- for column in spec.entity -%}
    {%- set value = mlbridge.typed(mlbridge.parsed_text(key, column), types[column]) -%}
    {%- do texts.append('cast(' ~ value ~ ' as ' ~ text ~ ')') -%}
    {%- do lacking.append(value ~ ' is null') -%}
  {%- endfor -%}
  {%- set moment = mlbridge.parsed_text(key, spec.time) -%}
  {%- set is_there = 'facts.' ~ mlbridge.quoted(spec.time) ~ ' is not null' -%}
  {%- set unseen = mlbridge.unseen(version, mlbridge.spec(name), 'asked.time', 'facts') -%}
  {#- A row that the split does not have may have been trained on and deleted since; not if it lies in the time of the test rows or later. -#}
  {%- if version.holdout_from is none -%}
    {%- set is_new = 'not ' ~ is_there ~ ' or ' ~ unseen -%}
  {%- else -%}
    {%- set is_new = "asked.time >= cast('" ~ version.holdout_from ~ "' as timestamp) or " ~ is_there ~ ' and ' ~ unseen -%}
  {%- endif -%}
  select
    asked.*,
    {{ mlbridge.text(spec.target) }} as target,
    case
      when asked.entity is null then 'a column of the key is missing or of another type'
      when asked.time is null then 'the time is no moment'
      when asked.time > {{ dbt.dateadd('day', 1, 'asked.received_at') }} then 'the time is more than a day after the request'
      when known.entity is null and not ({{ is_new }}) then 'the version may have been trained on the row'
    end as left_out,
    {{ mlbridge.has_fields('asked.features', version.features | map(attribute='name') | list) }} as is_whole
  from (
    select
      requests.*,
      case when not ({{ lacking | join(' or ') }}) then {{ texts[0] if texts | length == 1 else mlbridge.json_array(texts) }} end as entity,
      case when {{ moment }} is null then requests.received_at else {{ mlbridge.typed(moment, 'timestamp') }} end as time
    from {{ requests }} as requests
    where {{ mine }} and requests.version = {{ version.number }}
  ) as asked
  left join {{ split }} as facts on {{ mlbridge.same_row('asked', 'facts', spec) }}
  left join (
    select distinct entity, time
    from {{ predictions }}
    where version = {{ version.number }}
  ) as known on asked.entity = known.entity and asked.time = known.time
{% endmacro %}

{% macro standing_requests(name, judged, existing, columns) %}
  {#-
    The rows to append. Of several predictions of a version for a row the first stands, but one that was answered goes before one in shadow, and
    one without a prediction comes last; and what is in the table already stands, unless it says only why there was no prediction.
  -#}
  {%- set values = {
    'model_name': mlbridge.text(name), 'scored_by': "case when asked.role = 'shadow' then 'shadow' else 'request' end",
    'scored_at': 'asked.received_at', 'invocation_id': mlbridge.text(invocation_id), 'features': 'case when asked.is_whole then asked.features end',
  } -%}
  {%- set types, chosen = dict(mlbridge.prediction_types(), request_id=dbt.type_string(), features=dbt.type_string()), [] -%}
  {%- for column in columns -%}
    {%- do chosen.append('cast(' ~ values.get(column, 'asked.' ~ column) ~ ' as ' ~ types[column] ~ ') as ' ~ column) -%}
  {%- endfor -%}
  select {{ chosen | join(', ') }}
  from (
    select
      judged.*,
      row_number() over (
        partition by entity, time, version
        order by
          case when prediction is null then 1 else 0 end, case when role = 'shadow' then 1 else 0 end, received_at, request_id, number
      ) as place
    from {{ judged }} as judged
    where left_out is null
  ) as asked
  where
    asked.place = 1
    and not exists (
      select 1
      from {{ existing }} as known
      where
        known.entity = asked.entity and known.time = asked.time and known.version = asked.version
        and (known.prediction is not null or known.not_scored_because = asked.not_scored_because)
    )
{% endmacro %}
