{# The spec of a model: `config.meta.mlbridge` of its training node, with the defaults that SQL needs. #}

{% macro spec_keys() %}
  {{ return([
    'task', 'target', 'entity', 'time', 'label_time', 'features', 'split', 'candidates', 'metric', 'promote',
    'retrain', 'shadow', 'monitor', 'pin', 'trusted', 'retire', 'allow_leakage',
  ]) }}
{% endmacro %}

{% macro split_defaults() %}
  {{ return({'by': 'time', 'validation': 0.15, 'test': 0.15, 'gap': '0 days', 'group': none}) }}
{% endmacro %}

{% macro said(training) %}
  {#- What the YAML of a training node says under `config.meta.mlbridge`, as it stands there; none without it. -#}
  {%- set nodes = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model')
      | selectattr('name', 'equalto', training) | list -%}
  {{ return((nodes[0].config.meta or {}).get('mlbridge') if nodes else none) }}
{% endmacro %}

{% macro spec(model_name) %}
  {%- if not execute -%}
    {#- `graph` is empty during the parse; what is rendered then is thrown away. -#}
    {{ return({'target': 'target', 'entity': ['entity'], 'time': 'time', 'split': mlbridge.split_defaults()}) }}
  {%- endif -%}
  {%- set name = model_name ~ '_training' -%}
  {%- set said = mlbridge.said(name) -%}
  {%- if said is not mapping -%}
    {{ mlbridge.refuse(model.name, "found no `config: {meta: {mlbridge: ...}}` on a node '" ~ name ~ "'. Add it there, "
      ~ "with at least task, target, entity and time.") }}
  {%- endif -%}
  {{ mlbridge.known_keys(name, '', said, mlbridge.spec_keys()) }}
  {%- for key in ['task', 'target', 'entity', 'time'] if not said.get(key) -%}
    {{ mlbridge.refuse(name, "`mlbridge." ~ key ~ "`: is missing; found only " ~ said.keys() | join(', ')
      ~ ". Name it in the node's YAML.") }}
  {%- endfor -%}
  {%- set split = said.get('split') or {} -%}
  {{ mlbridge.known_keys(name, 'split.', split, mlbridge.split_defaults()) }}
  {%- for key in ['validation', 'test'] if key in split and (split[key] is not number or not 0 < split[key] < 1) -%}
    {{ mlbridge.refuse(name, "`mlbridge.split." ~ key ~ "`: expected a number between 0 and 1, found '" ~ split[key]
      ~ "'.") }}
  {%- endfor -%}
  {%- set entity = [said.entity] if said.entity is string else said.entity -%}
  {{ return(dict(said, entity=entity, split=dict(mlbridge.split_defaults(), **split))) }}
{% endmacro %}

{% macro known_keys(node, path, said, allowed) %}
  {%- if said is not mapping -%}
    {{ mlbridge.refuse(node, "`mlbridge." ~ path.rstrip('.') ~ "`: expected keys among " ~ allowed | join(', ')
      ~ ", found '" ~ said ~ "'.") }}
  {%- endif -%}
  {%- for key in said if key not in allowed -%}
    {{ mlbridge.refuse(node, "`mlbridge." ~ path ~ key ~ "`: unknown key." ~ mlbridge.nearest(key, allowed)
      ~ " Allowed: " ~ allowed | join(', ') ~ ".") }}
  {%- endfor -%}
{% endmacro %}

{% macro refuse(node, problem) %}
  {{ exceptions.raise_compiler_error(node ~ ": " ~ problem) }}
{% endmacro %}

{% macro quoted(name) %}
  {#- An identifier in this engine's quotes, the quotes inside doubled, which `adapter.quote` does not do. -#}
  {%- set quote = adapter.quote('')[0] -%}
  {{ return(adapter.quote(name | replace(quote, quote ~ quote))) }}
{% endmacro %}
