{% test same_row_count(model, compare_to) %}
with verdict as (
    select
        (select count(*) from {{ model }}) as rows_found,
        (select count(*) from {{ compare_to }}) as rows_expected
)

select *
from verdict
where rows_found != rows_expected
{% endtest %}
