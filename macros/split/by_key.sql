{# The value of `ml_split` by the hash of a key, or by a column. Gives the CTE after `known`, called `final`. #}

{% macro split_by_hash(split, key, target) %}
  {#- md5 as hexadecimal digits is evenly spread and sorts like a number, in every engine and collation. -#}
  {%- set hashes = [] -%}
  {%- for name in key -%}{%- do hashes.append(dbt.hash(mlbridge.quoted(name))) -%}{%- endfor -%}
  {%- set hash = hashes[0] if hashes | length == 1 else dbt.hash(dbt.concat(hashes)) -%}
  {%- set validation, test = mlbridge.hexadecimal(split.validation), mlbridge.hexadecimal(split.validation + split.test) -%}
  final as (
    select
      known.*,
      case
        when {{ target }} is null then 'score'
        when substring({{ hash }}, 1, 8) < '{{ validation }}' then 'validation'
        when substring({{ hash }}, 1, 8) < '{{ test }}' then 'test'
        else 'train'
      end as ml_split
    from known
  )
{% endmacro %}

{% macro hexadecimal(share) %}
  {#- The first eight hexadecimal digits of a share below 1. -#}
  {%- set digits = [] -%}
  {%- for place in range(1, 9) -%}{%- do digits.append('0123456789abcdef'[(share * 16 ** place) | int % 16]) -%}{%- endfor -%}
  {{ return(digits | join) }}
{% endmacro %}

{% macro split_by_column(column, target) %}
  final as (
    select known.*, case when {{ target }} is null then 'score' else cast({{ column }} as {{ dbt.type_string() }}) end as ml_split
    from known
  )
{% endmacro %}
