{% test mostly_true(model, condition, max_share=0) %}
with verdict as (
    select
        count(*) as rows_found,
        count(*) filter (where not ({{ condition }})) as exceptions
    from {{ model }}
)

select *
from verdict
where exceptions > {{ max_share }} * rows_found
{% endtest %}
