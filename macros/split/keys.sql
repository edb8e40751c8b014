{# Whether the keys of a split are complete and unique. #}

{% macro key_problem(entity, time, group, split) %}
  {#-
    A select of one text that says what is wrong with the keys of the split, or of no row: the time, a column of the entity or the
    group of the split is NULL somewhere, a time lies before the year 1, or entity and time together are not unique. `group` may be none.
  -#}
  {%- set missing, keys, wheres = [], [], [] -%}
  {%- for name in [time] + entity + ([group] if group else []) -%}
    {%- set column = mlbridge.quoted(name) -%}
    {%- set count = 'cast(count(*) - count(' ~ column ~ ') as ' ~ dbt.type_string() ~ ')' -%}
    {%- set problem = [mlbridge.text("'" ~ name ~ "' is NULL in "), count, mlbridge.text(' row(s). It is a key column (entity or '
      ~ "time) or the split's group, and must not be NULL. Filter those rows out in the features node.")] -%}
    {%- do missing.append('when count(*) > count(' ~ column ~ ') then ' ~ dbt.concat(problem)) -%}
  {%- endfor -%}
  {#- Minus infinity is one of them. What is later than the clock is not in a split. -#}
  {%- set early = 'count(case when cast(' ~ mlbridge.quoted(time) ~ " as timestamp) < cast('0001-01-01' as timestamp) then 1 end)" -%}
  {%- do missing.append('when ' ~ early ~ ' > 0 then ' ~ dbt.concat([
    mlbridge.text("'" ~ time ~ "' lies before the year 1 in "), 'cast(' ~ early ~ ' as ' ~ dbt.type_string() ~ ')',
    mlbridge.text(' row(s), where no calendar reaches. Mend them in the features node, or filter them out.')])) -%}
  {%- for name in entity + [time] -%}{%- do keys.append('split_rows.' ~ mlbridge.quoted(name)) -%}{%- endfor -%}
  {%- set twice = [
    mlbridge.text(entity | join(', ') ~ ' = '), mlbridge.key_as_text(entity, 'split_rows'), mlbridge.text(' at '),
    'cast(' ~ keys[-1] ~ ' as ' ~ dbt.type_string() ~ ')', mlbridge.text(' stands in '),
    'cast(count(*) as ' ~ dbt.type_string() ~ ')', mlbridge.text(' rows; entity and time together must be unique. Remove the '
    ~ 'duplicates in the features node, or add a column to `entity`.'),
  ] -%}
  {%- set keys = keys | join(', ') -%}
  select problem
  from (
    select 0 as priority, case {{ missing | join(' ') }} end as problem
    from {{ split }} as split_rows
    union all
    select 1 as priority, duplicates.problem
    from (
      select {{ dbt.concat(twice) }} as problem
      from {{ split }} as split_rows
      group by {{ keys }}
      having count(*) > 1
      order by {{ keys }}
      limit 1
    ) as duplicates
  ) as problems
  where problem is not null
  order by priority
  limit 1
{%- endmacro %}
