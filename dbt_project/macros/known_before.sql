{# Sums over a stream ordered by `moment`, per `key` (column names), from `span` before each row up to the row itself.
   Rows of the very same moment count in whatever order they stand, so ties change nothing. Whole numbers only:
   a sum of doubles would depend on the order in which threads add them. Without a span: all the past. #}

{% macro sum_before(column, key, span=none) -%}
    sum({{ column }}) over (
        partition by {{ key }}
        order by moment
        range between {{ "interval '" ~ span ~ "'" if span else 'unbounded' }} preceding and current row
    )::bigint
{%- endmacro %}

{# NULL when there was nothing to divide by. #}
{% macro share_before(part, whole, key, span=none) -%}
    {{ sum_before(part, key, span) }}::float8 / nullif({{ sum_before(whole, key, span) }}, 0)
{%- endmacro %}
