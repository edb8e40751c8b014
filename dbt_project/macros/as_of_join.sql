{# What of a table was the latest at a moment: a row of it, or none, for each row of the query. PostgreSQL, which has no
   such join, looks for the row in an index. #}

{% macro as_of_join(table, alias, key, time, equals, moment) -%}
    {% if target.type == 'postgres' -%}
    left join lateral (
        select * from {{ table }}
        where {{ equals }} = {{ table }}.{{ key }} and {{ moment }} >= {{ table }}.{{ time }}
        order by {{ table }}.{{ time }} desc
        limit 1
    ) as {{ alias }} on true
    {%- else -%}
    asof left join {{ table }} as {{ alias }}
        on {{ equals }} = {{ alias }}.{{ key }} and {{ moment }} >= {{ alias }}.{{ time }}
    {%- endif %}
{%- endmacro %}
