{% test mostly_related(model, column_name, to, field, max_share) %}
with verdict as (
    select
        count(*) as rows_found,
        count(*) filter (where child.{{ column_name }} not in (select {{ field }} from {{ to }})) as orphans
    from {{ model }} as child
    where child.{{ column_name }} is not null
)

select *
from verdict
where orphans > {{ max_share }} * rows_found
{% endtest %}
