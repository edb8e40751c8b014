{# What became of the rows that servers have recorded, by hour. #}

{% macro request_figures(name) %}
  {#- The select of one model; none where its predictions take in no requests, or none are there yet. -#}
  {%- set predictions, split, training = ref(name ~ '_predictions'), ref(name ~ '_split'), ref(name ~ '_training') -%}
  {%- if flags.EMPTY or not mlbridge.is_built(name) or not mlbridge.has_requests(name, predictions) -%}{{ return(none) }}{%- endif -%}
  {%- set requests = mlbridge.relation_of(mlbridge.requests_node(name).name) -%}
  {%- if requests is none -%}{{ return(none) }}{%- endif -%}
  {{ return(mlbridge.figures_by_hour(mlbridge.judged_requests(name, requests, split, training, predictions), predictions)) }}
{% endmacro %}

{% macro figures_by_hour(judged, predictions) %}
  {%- set double, hour = mlbridge.type_double(), 'cast(' ~ mlbridge.truncated('hour', 'judged.received_at') ~ ' as timestamp)' -%}
  {#- Files of an earlier mlbridge have no role. -#}
  {%- set role = "coalesce(judged.role, 'champion')" %}
  select
    model,
    version,
    role,
    started_at,
    cast(sum(is_first) as bigint) as requests,
    cast(count(*) as bigint) as row_count,
    cast(sum(is_kept) as bigint) as rows_kept,
    cast(sum(case when is_kept = 1 and not is_whole then 1 else 0 end) as bigint) as rows_not_whole,
    cast(sum(case when is_kept = 0 and left_out is null then 1 else 0 end) as bigint) as rows_repeated,
    cast(count(left_out) as bigint) as rows_left_out,
    {{ mlbridge.joined('reason', 'reason') }} as left_out_because,
    {%- for share in ['50', '95', '99'] %}
    percentile_cont(0.{{ share }}) within group (order by case when is_first = 1 then latency_ms end) as latency_p{{ share }},
    {%- endfor %}
    max(latency_ms) as latency_max
  from (
    select
      judged.model,
      judged.version,
      judged.left_out,
      judged.is_whole,
      {{ role }} as role,
      cast(judged.latency_ms as {{ double }}) as latency_ms,
      {{ hour }} as started_at,
      case when row_number() over (
        partition by judged.version, {{ role }}, {{ hour }}, judged.left_out order by judged.received_at
      ) = 1 then judged.left_out end as reason,
      case when row_number() over (
        partition by judged.request_id, judged.received_at, judged.version, {{ role }} order by judged.number
      ) = 1 then 1 else 0 end as is_first,
      case when kept.entity is not null and row_number() over (
        partition by judged.request_id, judged.received_at, judged.version, {{ role }}, judged.entity, judged.time order by judged.number
      ) = 1 then 1 else 0 end as is_kept
    from (
      {{ judged }}
    ) as judged
    left join {{ predictions }} as kept
      on
        judged.left_out is null
        and kept.entity = judged.entity
        and kept.time = judged.time
        and kept.version = judged.version
        and kept.request_id = judged.request_id
        and kept.scored_at = judged.received_at
  ) as told
  group by model, version, role, started_at
{% endmacro %}
