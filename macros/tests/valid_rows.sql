{% test valid_rows(model, unique, not_null=[], accepted_values={}, conditions=[]) %}
  {#-
    All that is checked of the rows of one of the package's tables, in one test, because a test costs dbt more than its query costs
    the engine. `unique` lists keys, each a list of columns; `not_null` names columns; `accepted_values` has lists by column, and
    lets NULL pass; `conditions` are SQL that holds for each row. Fails with one row, a sentence, for each check that does not hold.
  -#}
  {%- do mlbridge.settle_session() -%}
  {%- set checks = [] -%}
  {%- for name in not_null -%}
    {%- do checks.append({'fails': mlbridge.named(name) ~ ' is null', 'problem': name ~ ' is NULL'}) -%}
  {%- endfor -%}
  {%- for name, values in accepted_values.items() -%}
    {%- do checks.append({
      'fails': mlbridge.named(name) ~ ' not in (' ~ mlbridge.texts(values) | join(', ') ~ ')', 'problem': name ~ ' is none of ' ~ values | join(', '),
      'example': 'cast(' ~ mlbridge.named(name) ~ ' as ' ~ dbt.type_string() ~ ')',
    }) -%}
  {%- endfor -%}
  {%- for condition in conditions -%}
    {%- do checks.append({'fails': 'not (' ~ condition ~ ')', 'problem': 'not (' ~ condition ~ ')'}) -%}
  {%- endfor -%}
  {%- set chosen, columns = [], {} -%}
  {%- for name in unique | sum(start=[]) | unique(case_sensitive=true) -%}
    {%- do columns.update({name: 'key_' ~ loop.index0}) -%}
    {%- do chosen.append(mlbridge.named(name) ~ ' as ' ~ columns[name]) -%}
  {%- endfor -%}
  {%- for check in checks -%}
    {%- do chosen.append('case when ' ~ check.fails ~ ' then 1 else 0 end as fails_' ~ loop.index0) -%}
    {%- if check.example -%}{%- do chosen.append(check.example ~ ' as example_' ~ loop.index0) -%}{%- endif -%}
  {%- endfor -%}
  {%- set selects = [mlbridge.failed_checks(checks)] if checks else [] -%}
  {%- for key in unique -%}{%- do selects.append(mlbridge.repeated_keys(key, columns)) -%}{%- endfor %}
  {#- What is checked may be a view that costs more than all checks: it is read once. #}
  with checked as (
    select {{ chosen | join(', ') }}
    from {{ model }}
  )

  {{ selects | join('\nunion all\n') }}
{% endtest %}

{% macro failed_checks(checks) %}
  {#-
    `problem` of each check that fails in `checked`, with the number of rows. A check has the condition under which a row `fails`,
    the `problem` in words, and where a value helps the `example` to show.
  -#}
  {%- set counted, sentences, problems, counts, examples = [], [], {}, {}, {} -%}
  {%- for check in checks -%}
    {%- set check_no = loop.index0 -%}
    {%- do counted.append('sum(fails_' ~ check_no ~ ') as rows_' ~ check_no) -%}
    {%- do counts.update({check_no: 'rows_' ~ check_no}) -%}
    {%- do sentences.append(check.problem ~ ' in ') -%}
    {%- if check.example -%}
      {%- set example = 'example_' ~ check_no -%}
      {%- do counted.append('min(case when fails_' ~ check_no ~ ' = 1 then ' ~ example ~ ' end) as ' ~ example) -%}
      {%- do examples.update({check_no: example}) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for sentence in mlbridge.texts(sentences) -%}{%- do problems.update({loop.index0: sentence}) -%}{%- endfor -%}
  {%- set such_as = dbt.concat(["' row(s), such as '", mlbridge.pick('item_no', examples)]) if examples else "' row(s)'" -%}
  select {{ dbt.concat(['problem', 'cast(rows_found as ' ~ dbt.type_string() ~ ')', 'coalesce(' ~ such_as ~ ", ' row(s)')"]) }} as problem
  from (
    select counted.*, checks.item_no, {{ mlbridge.pick('checks.item_no', problems) }} as problem, {{ mlbridge.pick('checks.item_no', counts) }} as rows_found
    from (select {{ counted | join(', ') }} from checked) as counted
    cross join {{ mlbridge.numbers(checks | length) }} as checks
  ) as found
  where rows_found > 0
{%- endmacro %}

{% macro repeated_keys(key, columns) %}
  {#- `problem`: that a key stands in several rows of `checked`, with one that does; else no row. `columns` has its columns there. -#}
  {%- set found, texts, type = [], [], dbt.type_string() -%}
  {%- for name in key -%}
    {%- do found.append(columns[name]) -%}
    {%- do texts.append('coalesce(cast(' ~ columns[name] ~ ' as ' ~ type ~ "), 'NULL')") -%}
    {%- if not loop.last -%}{%- do texts.append("', '") -%}{%- endif -%}
  {%- endfor -%}
  {%- set sentence = [mlbridge.text(key | join(', ') ~ ': the same in several rows, '), 'cast(count(*) as ' ~ type ~ ')',
    "' time(s), such as '", 'min(repeated_key)'] -%}
  select {{ dbt.concat(sentence) }} as problem
  from (
    select {{ dbt.concat(texts) if texts | length > 1 else texts[0] }} as repeated_key
    from checked
    group by {{ found | join(', ') }}
    having count(*) > 1
  ) as repeated
  having count(*) > 0
{%- endmacro %}
