{# A version's SELECT of the logbook is run only if it is what the compiler writes. `mlbridge/scoring/stored_select.py` asks a parser the same. #}

{% macro select_problem(version) %}
  {#-
    Why a version does not score as SQL; none where it does. Its MD5 tells what was damaged or edited by hand. Who writes the text can
    write the MD5 too, so the text itself must also be one SELECT over the rows, of the compiler's own words.
  -#}
  {%- if version.sql is none -%}{{ return('is no SELECT: ' ~ version.note) }}{%- endif -%}
  {%- set found = mlbridge.foreign_part(version.sql) -%}
  {%- if version.sql_md5 not in (none, local_md5(version.sql)) -%}
    {%- set found = 'its MD5 is ' ~ local_md5(version.sql) ~ ', the logbook says ' ~ version.sql_md5 -%}
  {%- endif -%}
  {{ return('has a `scoring_sql` in the logbook that mlbridge did not write, and that is not run: ' ~ found if found else none) }}
{% endmacro %}

{% macro foreign_part(sql) %}
  {#- What a text has that no SELECT of the compiler has; none where there is no such thing. -#}
  {%- set re, substitution = modules.re, mlbridge.substitution() -%}
  {%- if substitution and substitution in sql -%}{{ return('`' ~ substitution ~ '`') }}{%- endif -%}
  {#- Where a backslash has to be written twice, it escapes what follows. -#}
  {%- set escapes, mark = mlbridge.text('\\') != "'\\'", mlbridge.quoted('')[:1] -%}
  {%- set string = "'(?:[^'\\\\\\x00]|\\\\.)*'" if escapes else "'[^'\\x00]*'" -%}
  {#- Where a backslash escapes, it may escape the end of the line as well. -#}
  {%- set comment = '--[^\\n\\r\\\\]*[\\n\\r]' if escapes else '--[^\\n\\r]*[\\n\\r]' -%}
  {%- set quoted = comment ~ "|(')" ~ string[1:] ~ '|(' ~ mark ~ ')[^' ~ mark ~ '\\x00]*' ~ mark -%}
  {%- if re.search("['" ~ '"' ~ mark ~ ']', re.sub(quoted, '', sql)) -%}{{ return('a quotation mark is not closed') }}{%- endif -%}
  {%- set text = re.sub(quoted, '\\1\\2', sql) | replace(mark, '"') -%}
  {%- set other = re.search('[A-Za-z0-9_&][\'"]|[^A-Za-z0-9_ \\n\'"(),.*/+<>=&|\\[\\]-]', text) -%}
  {%- if other -%}{{ return('`' ~ other.group() ~ '`') }}{%- endif -%}
  {%- set text = re.sub('\\b[0-9]+([.][0-9]+)?(E[+-]?[0-9]+)?\\b', 'x', re.sub('\\s+', ' ', text.upper())) -%}
  {%- set known = mlbridge.compiled_words() -%}
  {%- for word in re.findall('[A-Z0-9_]+|[-+*/<>=&|]+', text) | unique if word not in known -%}
    {%- if not re.match('ML_(SPLIT_ROWS|SCORED_ROWS|ARRAYS|COLUMNS|STEP_[0-9]+)$', word) -%}{{ return('`' ~ word ~ '`') }}{%- endif -%}
  {%- endfor -%}
  {{ return(none if mlbridge.is_one_select(text) else 'it is not one SELECT over the rows to score') }}
{% endmacro %}

{% macro is_one_select(text) %}
  {#-
    Whether a text is one query over the CTE's own rows. Quoted parts are one mark each, and all words are known. What is in
    parentheses is replaced from the inside: an expression by `#`, a table of values by `$`, a query by `@`, which may stand only where
    the compiler has one. A mark before parentheses would call a function by a quoted name.
  -#}
  {%- set re = modules.re -%}
  {%- set part = "(?:[^A-Z().@$'\"]|['\"](?! ?[#(]))*" -%}
  {%- set condition = part | replace('.@', ',.@') -%}
  {%- set joins = '(?: x JOIN ML_[A-Z0-9_]+| x JOIN [$] x "# ON ' ~ condition ~ ')*' -%}
  {%- set with = 'WITH ML_[A-Z0-9_]+ x (?:x )?@(?:, ML_[A-Z0-9_]+ x (?:x )?@)* ' -%}
  {%- set query = ' ?(?:' ~ with ~ ')?SELECT ' ~ part ~ ' FROM ML_[A-Z0-9_]+' ~ joins ~ ' ?' -%}
  {%- set values = ' ?VALUES #(?:, #)* ?' -%}
  {%- set structure = '\\b(?!(?:WITH|SELECT|FROM|JOIN|ON|VALUES|ML_[A-Z0-9_]+)\\b)[A-Z0-9_]+\\b' -%}
  {%- set ns = namespace(text=re.sub(structure, 'x', text), before='') -%}
  {%- for _ in range(text.count('(')) if ns.text != ns.before -%}
    {%- set ns.before = ns.text -%}
    {%- for inside, mark in [(part, '#'), (values, '$'), (query, '@')] -%}
      {%- set ns.text = re.sub('[(]' ~ inside ~ '[)]', mark, ns.text) -%}
    {%- endfor -%}
  {%- endfor -%}
  {{ return(re.match(query ~ '$', ns.text) is not none) }}
{% endmacro %}

{% macro compiled_words() %}
  {#- The keywords, types, functions and operators of a compiled SELECT. -#}
  {{ return([
    'ABS', 'AND', 'ARRAY', 'AS', 'BIGINT', 'CASE', 'CAST', 'COALESCE', 'CROSS', 'DATE_PART', 'DECIMAL', 'DOUBLE', 'ELSE', 'END', 'EPOCH', 'EXP',
    'FALSE', 'FROM', 'GREATEST', 'INT', 'IS', 'ISFINITE', 'JOIN', 'LEAST', 'LEFT', 'LIST_EXTRACT', 'LN', 'MATERIALIZED', 'NOT', 'NULL',
    'NULLIF', 'ON', 'OR', 'POWER', 'PRECISION', 'REAL', 'SELECT', 'SQRT', 'TEXT', 'THEN', 'TIMESTAMP', 'TRUE', 'VALUES', 'WHEN', 'WITH',
    '+', '-', '*', '/', '<', '>', '=', '<=', '>=', '<>', '&', '||',
  ] + mlbridge.words_of_engine()) }}
{% endmacro %}
