{#
  What `rolling`, `lagged`, `since_last` and `encoded_rate` are asked: events, which are the rows of a feature view or of any other relation,
  and the features to be made of them.
#}

{% macro read_events(call, found) %}
  {#-
    What a call and the YAML say of events. A call names the relation, or a mapping with it as `view` and any of `embargo`, and,
    where no YAML says so, `time`, `known_at` and `entity`.
  -#}
  {%- set path = call ~ '.events' -%}
  {#- A relation of dbt is a mapping as well. -#}
  {%- set asked = found if found is mapping and found.identifier is not defined else {'view': found} -%}
  {%- do mlbridge.known_keys(model.name, path, asked, ['view', 'entity', 'time', 'known_at', 'embargo']) -%}
  {%- set view = asked.get('view') -%}
  {%- set is_cte = view is string and view != '' -%}
  {%- if not is_cte and (view is not defined or not view.identifier) -%}
    {{ mlbridge.refuse_key(model.name, path, "expected events, as ref('arrivals') or the name of a CTE, found " ~ mlbridge.shown(found) ~ '.') }}
  {%- endif -%}
  {%- set node = none if is_cte else mlbridge.node_read_here(view) -%}
  {%- set declared = mlbridge.declared_of(node) -%}
  {%- set read = {'relation': view, 'node': node, 'embargo': none, 'columns': []} -%}
  {%- if mlbridge.is_in_warehouse(view) -%}{%- do read.update(columns=mlbridge.column_names_of(view)) -%}{%- endif -%}
  {%- for key in ['time', 'known_at'] -%}
    {%- if key in asked and declared.get(key) is not none -%}
      {{ mlbridge.refuse_key(model.name, path ~ '.' ~ key, 'the YAML of ' ~ node.name ~ ' says it already.') }}
    {%- endif -%}
    {%- set name = declared.get(key) if declared.get(key) is not none else asked.get(key) -%}
    {%- if name is none and key == 'time' -%}
      {{ mlbridge.refuse_key(model.name, path, "say when an event happened: `{'view': ..., 'time': 'happened_at'}`, or in the YAML of a "
        ~ 'model, `config: {meta: {mlbridge: {entity: [customer_id], time: happened_at}}}`.') }}
    {%- endif -%}
    {%- do read.update({key: none if name is none else mlbridge.one_name(model.name, path ~ '.' ~ key, name)}) -%}
    {%- if name is not none -%}{{ mlbridge.has_column(model.name, path ~ '.' ~ key, name, read.columns) }}{%- endif -%}
  {%- endfor -%}
  {%- if asked.get('embargo') is not none -%}
    {%- do read.update(embargo=mlbridge.one_span(model.name, path ~ '.embargo', asked.embargo)) -%}
  {%- endif -%}
  {%- do read.update(entity=asked.get('entity', declared.get('entity'))) -%}
  {{ return(read) }}
{% endmacro %}

{% macro read_features(call, spine, time, events, asked, sorts, each='over', others=[]) %}
  {#-
    The features of a call, each with its `name`, the `entity` (the events' columns to the spine's), what it is (`sort`, one of `sorts`,
    and of which `column`) and, by the name of the key that may hold a list, `each`, one of these: `over`, how far it looks back, or `back`,
    which event, counted back from the last, it is of. A list gives a feature for each, whose name ends in it. `others` are the keys besides.
  -#}
  {%- set path = call ~ '.features' -%}
  {%- if asked is not mapping or not asked -%}
    {{ mlbridge.refuse_key(model.name, path, 'expected the name of each new column and what it is, as ' ~ mlbridge.example_of(call) ~ ', found '
      ~ mlbridge.shown(asked) ~ '.') }}
  {%- endif -%}
  {{ mlbridge.is_spine(call, spine) }}
  {%- set there = mlbridge.column_names_of(spine) if mlbridge.is_in_warehouse(spine) else [] -%}
  {{ mlbridge.has_column(model.name, call ~ ': `time`', time, there) }}
  {%- set zones = mlbridge.zones_of(spine, [time]) if there else [] -%}
  {%- set zones = zones + (mlbridge.zones_of(events.relation, [events.time, events.known_at]) if events.columns else []) -%}
  {{ mlbridge.zones_agree(call, 'of the events', zones) }}
  {%- set features, taken = [], there | map('lower') | list -%}
  {%- for name, said in asked.items() -%}
    {%- set here = path ~ '.' ~ name -%}
    {%- if said is none -%}{{ mlbridge.refuse_key(model.name, here, 'expected what the column is, as ' ~ mlbridge.example_of(call) ~ '.') }}{%- endif -%}
    {%- do mlbridge.known_keys(model.name, here, said, sorts + ['entity', each] + others) -%}
    {%- set named = [] -%}
    {%- for sort in sorts if sort in said -%}{%- do named.append(sort) -%}{%- endfor -%}
    {%- if named | length != 1 -%}
      {{ mlbridge.refuse_key(model.name, here, 'say what it is by one of ' ~ mlbridge.enumerated(sorts) ~ ', found '
        ~ (mlbridge.enumerated(named) if named else 'none of them') ~ '.') }}
    {%- endif -%}
    {%- set feature = {'sort': named[0], 'column': said[named[0]], 'path': here, 'said': said} -%}
    {%- if named[0] != 'unit' -%}
      {%- set column = mlbridge.one_name(model.name, here ~ '.' ~ named[0], feature.column) -%}
      {%- if not (named[0] == 'count' and column == '*') -%}
        {{ mlbridge.has_column(model.name, here ~ '.' ~ named[0], column, events.columns) }}
      {%- endif -%}
    {%- endif -%}
    {%- set read_columns = [] if named[0] == 'unit' else [feature.column] -%}
    {%- do feature.update(entity=mlbridge.entity_of_events(here ~ '.entity', said.get('entity', events.entity), events, there)) -%}
    {{ mlbridge.none_is_known_later(events.node, here, read_columns + feature.entity.keys() | list + [events.time],
      [events.time, events.known_at]) }}
    {%- set found = said.get(each) -%}
    {%- set several = found is not string and found is not mapping and found is iterable -%}
    {%- if several and not found -%}
      {{ mlbridge.refuse_key(model.name, here ~ '.' ~ each, 'expected one or a list of several, found [].') }}
    {%- endif -%}
    {%- set asked_of = found if several else [found] -%}
    {%- for one in asked_of -%}
      {%- set one = none if one is none and not several else mlbridge.one_back(here, one) if each == 'back'
        else mlbridge.one_span(model.name, here ~ '.over', one) -%}
      {%- set ending = '_' ~ (found[loop.index0] if each == 'back' else mlbridge.short_duration(found[loop.index0])) if several else '' -%}
      {%- do features.append(dict(feature, name=mlbridge.one_new_name(call, name ~ ending, taken), **{each: one})) -%}
    {%- endfor -%}
  {%- endfor -%}
  {{ return(features) }}
{% endmacro %}

{% macro example_of(call) %}
  {{ return({
    'rolling': "{'late_share': {'share': 'is_late', 'over': ['7 days', '28 days']}}",
    'lagged': "{'last_delay': {'value': 'delay'}}",
    'since_last': "{'hours_since_arrival': {'unit': 'hours'}}",
    'encoded_rate': "{'late_rate': {'share': 'is_late', 'weight': 20}}",
  }[call]) }}
{% endmacro %}

{% macro entity_of_events(path, found, events, there) %}
  {#- The spine's column for each column of the events' entity: a name, a list, or a mapping where the names differ. Empty: all events are one entity's. -#}
  {%- if found is none -%}
    {{ mlbridge.refuse_key(model.name, path, 'say whose events count, by a column or several; `[]` for all events.') }}
  {%- endif -%}
  {%- set entity = {} -%}
  {%- if found is mapping -%}
    {%- for column, of_spine in found.items() -%}
      {%- do entity.update({mlbridge.one_name(model.name, path, column): mlbridge.one_name(model.name, path ~ '.' ~ column, of_spine)}) -%}
    {%- endfor -%}
  {%- else -%}
    {%- for column in mlbridge.names_of(model.name, path, found) -%}{%- do entity.update({column: column}) -%}{%- endfor -%}
  {%- endif -%}
  {%- for column, of_spine in entity.items() -%}
    {{ mlbridge.has_column(model.name, path ~ ': of the events, it', column, events.columns) }}
    {{ mlbridge.has_column(model.name, path ~ ': of the spine, it', of_spine, there) }}
  {%- endfor -%}
  {{ return(entity) }}
{% endmacro %}

{% macro short_duration(duration) %}
  {#- '28 days' as 28d: what a name of a column ends in. -#}
  {%- set count, unit = duration.split(' ') -%}
  {{ return(count ~ {'minute': 'min', 'hour': 'h', 'day': 'd', 'week': 'w'}[unit.rstrip('s')]) }}
{% endmacro %}

{% macro one_new_name(call, name, taken) %}
  {#- No new column has the name of another, of one of the spine's, or of the package's own. -#}
  {%- if name is not string or not name or name.lower().startswith('ml_') -%}
    {{ mlbridge.refuse(model.name, call ~ ': a column would be called ' ~ mlbridge.shown(name) ~ '; a name is a text, and those that begin '
      ~ "with ml_ are the package's own.") }}
  {%- elif name.lower() in taken -%}
    {{ mlbridge.refuse(model.name, call ~ ": two columns would be called '" ~ name ~ "'. Give the feature another name.") }}
  {%- endif -%}
  {%- do taken.append(name.lower()) -%}
  {{ return(name) }}
{% endmacro %}

{% macro one_back(path, found) %}
  {%- if found is not integer or found is boolean or not 1 <= found <= 1000 -%}
    {{ mlbridge.refuse_key(model.name, path ~ '.back', 'expected a whole number from 1, the last event, to 1000, or a list of them, found '
      ~ mlbridge.shown(found) ~ '.') }}
  {%- endif -%}
  {{ return(found) }}
{% endmacro %}
