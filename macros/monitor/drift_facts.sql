{# How far the rows since a training have moved, for the training node to decide on. #}

{% macro drift_facts(name) %}
  {#-
    The population stability index of each feature of the version in use between its training rows and the rows of the split
    that came after that training, and their mean weighted by importance: `{value, rows, features}`; none where fewer than
    100 rows came. Reads the split and the logbook, which stand before the training, and nothing that comes after it.
  -#}
  {%- set version = mlbridge.version_in_use(name, this) -%}
  {%- if version is none -%}{{ return(none) }}{%- endif -%}
  {%- set split, columns = mlbridge.relation_of(name ~ '_split', none), {} -%}
  {%- for column in adapter.get_columns_in_relation(split) -%}{%- do columns.update({column.name: column}) -%}{%- endfor -%}
  {%- set documents = mlbridge.documents(name, version, this, columns) -%}
  {%- set features = documents.features | rejectattr('name', 'equalto', 'ml_target') | list -%}
  {%- set documents = dict(documents, features=features) -%}
  {%- set source -%}
    select cast(null as timestamp) as window_start, {{ mlbridge.values_of(documents, columns) }}
    from {{ split }} as facts
    where cast(facts.{{ mlbridge.quoted(mlbridge.spec(name).time) }} as timestamp) > (
      select max(as_of) from {{ this }} where version = {{ version }}
    )
  {%- endset -%}
  {%- set counted = mlbridge.count_bins(source, documents, mlbridge.feature_entries(documents)) -%}
  {%- set found = run_query(mlbridge.psi_by_feature(counted, documents)).rows -%}
  {%- set psi, rows = {}, [0] -%}
  {%- for row in found -%}
    {%- do rows.append(row[1] | int) -%}
    {%- if row[2] is not none -%}{%- do psi.update({row[0]: row[2] | float}) -%}{%- endif -%}
  {%- endfor -%}
  {%- set moved = namespace(total=0.0, weight=0.0) -%}
  {%- for feature, weight in documents.weights.items() if feature in psi -%}
    {%- set moved.total = moved.total + weight * psi[feature] -%}
    {%- set moved.weight = moved.weight + weight -%}
  {%- endfor -%}
  {%- if rows | max < 100 or not moved.weight -%}{{ return(none) }}{%- endif -%}
  {{ return({'value': moved.total / moved.weight, 'rows': rows | max, 'features': psi}) }}
{% endmacro %}

{% macro version_in_use(name, logbook) %}
  {#- The pinned version, or the one promoted last as the clock has it; none without. -#}
  {%- set pin = mlbridge.spec(name).get('pin') -%}
  {%- set asked -%}
    select version
    from {{ logbook }}
    where
      {% if pin -%}
      version = {{ pin | int }} and outcome in ('promoted', 'rejected')
      {%- else -%}
      outcome = 'promoted' and as_of <= cast('{{ mlbridge.as_of() }}' as timestamp)
      {%- endif %}
      and not ({{ mlbridge.is_retired(name) }})
    order by as_of desc, trained_at desc, version desc
    limit 1
  {%- endset -%}
  {%- set found = run_query(asked).rows -%}
  {{ return(found[0][0] | int if found else none) }}
{% endmacro %}
