{# The definition of a split, stored in a column of it, so that nothing is trained or scored on a split of another spec. #}

{% macro split_definition(spec) %}
  {#- The part of a spec that decides which rows a split has, which targets are known, and what `ml_split` says. -#}
  {{ return({
    'target': spec.target,
    'entity': spec.entity | list,
    'time': spec.time,
    'label_time': spec.get('label_time'),
    'split': dict(spec.split),
  }) }}
{% endmacro %}

{% macro split_definition_column(spec) %}
  {#- The same in every row: a JSON object of the definition and of the clock (UTC) that the split was built by. -#}
  {%- set document = dict(mlbridge.split_definition(spec), as_of=mlbridge.as_of()) -%}
  {{ return(mlbridge.text(tojson(document, sort_keys=true))) }}
{% endmacro %}

{% macro check_split(name) %}
  {#-
    Refuses to build the calling node of a model on a split that was made from another definition than the spec has now, or
    by a later clock. `state:modified` does not select a split when only the YAML of its training node has changed.
  -#}
  {%- set wanted = name ~ '_split' -%}
  {%- set parents = graph.nodes.values() | selectattr('unique_id', 'in', model.depends_on.nodes) | map(attribute='name') -%}
  {%- if wanted in parents and not flags.EMPTY -%}
    {%- set split, now = ref(wanted), mlbridge.split_definition(mlbridge.spec(name)) -%}
    {%- set way_out = 'Build it as well: `dbt build --select ' ~ wanted ~ '+`.' -%}
    {%- if load_relation(split) is none -%}
      {{ mlbridge.refuse(model.name, wanted ~ ' is not built. ' ~ way_out) }}
    {%- endif -%}
    {%- if 'ml_split_definition' not in mlbridge.names_in(split) | map('lower') -%}
      {{ mlbridge.refuse(model.name, wanted ~ ' does not say what it was made from: an earlier mlbridge built it. ' ~ way_out) }}
    {%- endif -%}
    {%- for row in run_query('select distinct ml_split_definition from ' ~ split).rows -%}
      {%- set made = fromjson(row[0]) -%}
      {%- set changes = mlbridge.definition_changes(made, now) -%}
      {%- if changes -%}
        {{ mlbridge.refuse(model.name, wanted ~ ' was made from another spec: ' ~ changes | join(', ') ~ '. ' ~ way_out) }}
      {%- elif mlbridge.as_datetime(made.as_of) > mlbridge.as_datetime(mlbridge.as_of()) -%}
        {{ mlbridge.refuse(model.name, wanted ~ ' was built as of ' ~ made.as_of ~ ', and this build is as of ' ~ mlbridge.as_of()
          ~ ': it holds what was not known then. ' ~ way_out) }}
      {%- endif -%}
    {%- endfor -%}
  {%- endif -%}
{% endmacro %}

{% macro definition_changes(made, now) %}
  {#- What differs between two definitions, in words. -#}
  {%- set changes = [] -%}
  {%- for key in ['target', 'entity', 'time', 'label_time'] if made.get(key) != now[key] -%}
    {%- do changes.append('`' ~ key ~ '` was ' ~ made.get(key) ~ ' and is ' ~ now[key]) -%}
  {%- endfor -%}
  {%- for key, value in now.split.items() if made.split.get(key) != value -%}
    {%- do changes.append('`split.' ~ key ~ '` was ' ~ made.split.get(key) ~ ' and is ' ~ value) -%}
  {%- endfor -%}
  {{ return(changes) }}
{% endmacro %}

{% macro split_as_of(split) %}
  {#- The clock (UTC) by which a split was built, up to which it knows outcomes; this build's where it has no rows. -#}
  {%- set made = run_query('select max(ml_split_definition) as made from ' ~ mlbridge.rows_of(split) ~ ' as split_rows').rows[0][0] -%}
  {{ return(mlbridge.as_of() if made is none else fromjson(made).as_of) }}
{% endmacro %}
