{{ mlbridge.output() }}
{% call(name) mlbridge.each_model() %}
select
    model_name as model,
    invocation_id,
    trained_at as decided_at,
    as_of,
    outcome,
    version,
    reason,
    decision
from {{ ref(name ~ '_training') }}
where outcome <> 'runner_up'
{% endcall %}
