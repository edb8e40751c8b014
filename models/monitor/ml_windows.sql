{{ mlbridge.output('table', kinds=['table']) }}
-- Read once for all models: every select would plan the union of all logbooks anew.
with versions as (
    select
        candidates.model,
        candidates.version,
        candidates.train_to,
        candidates.holdout_from
    from {{ mlbridge.rows_of(ref('ml_versions')) }} as candidates
    where candidates.outcome <> 'runner_up'
)

{% call(name) mlbridge.each_model() %}
{%- set split, spec = ref(name ~ '_split'), mlbridge.spec(name) -%}
{%- set size, slices = mlbridge.monitor(name).window, mlbridge.monitor(name).slices -%}
{%- set has_requests = mlbridge.has_requests(name, ref(name ~ '_predictions')) -%}
{%- set of_request = 'when predictions.request_id is not null then ' -%}
{%- set time = 'cast(facts.' ~ mlbridge.quoted(spec.time) ~ ' as timestamp)' %}
select
    model,
    version,
    '{{ size }}' as window_size,
    window_start,
    {{ mlbridge.window_end("'" ~ size ~ "'", 'window_start') }} as window_end,
    count(*) as rows_scored,
    cast(sum(is_new) as bigint) as rows_new,
    count(outcome) as rows_labelled,
    coalesce(sum(cast(outcome as {{ mlbridge.type_double() }})), 0) as label_sum,
    cast(sum(is_there) as bigint) as rows_there,
    cast(sum(is_left) as bigint) as rows_left
from (
    select
        {{ mlbridge.text(name) }} as model,
        predictions.version,
        {{ mlbridge.window_start(size, 'predictions.time') }} as window_start,
        case when {{ mlbridge.is_new('predictions', 'versions') }} then 1 else 0 end as is_new,
        -- a request has its features with it, unless one was not recorded
        case
            {{ of_request ~ 'case when predictions.features is null then 0 else 1 end' if has_requests }}
            when facts.{{ mlbridge.quoted(spec.time) }} is not null then 1
            else 0
        end as is_there,
        -- older than every row that the split still holds; without rows in the split, every one. Joined, the oldest would be
        -- looked for again for each row by an engine that expects few of them.
        case
            {{ of_request ~ '0' if has_requests }}
            when
                facts.{{ mlbridge.quoted(spec.time) }} is null
                and predictions.time >= (select min({{ time }}) from {{ mlbridge.rows_of(split) }} as facts)
                then 0
            when facts.{{ mlbridge.quoted(spec.time) }} is null then 1
            else 0
        end as is_left,
        case
            when facts.{{ mlbridge.quoted(spec.target) }} is not null then {{ mlbridge.fingerprint(spec, slices) }}
        end as outcome
    from {{ mlbridge.rows_of(ref(name ~ '_predictions')) }} as predictions
    inner join versions
        on predictions.version = versions.version and versions.model = {{ mlbridge.text(name) }}
    left join {{ mlbridge.rows_of(split) }} as facts
        on {{ mlbridge.same_row('predictions', 'facts', spec) }}
    where
        predictions.target = {{ mlbridge.text(spec.target) }}
        and predictions.prediction is not null
        and {{ mlbridge.monitored('predictions', 'versions') }}
) as scored
group by model, version, window_start
{% endcall %}
