{# How far the rows since the last training have drifted, for the retraining policy of the training node. #}

{% macro drift_facts(name, version) %}
  {#-
    `{value, rows, features}`: the psi of each feature of a version, between its training rows and the rows of
    the split that came after that training, and its mean weighted by importance; none where fewer than 100 rows came, or what is known
    of the training is damaged. It reads only the split and the logbook, which exist before the training node runs.
  -#}
  {%- do mlbridge.settle_session() -%}
  {%- set split, columns = mlbridge.relation_of(name ~ '_split'), {} -%}
  {%- for column in adapter.get_columns_in_relation(split) -%}{%- do columns.update({column.name: column}) -%}{%- endfor -%}
  {%- if not mlbridge.undamaged([version], name, this, mlbridge.compared_documents()) -%}{{ return(none) }}{%- endif -%}
  {%- set documents = mlbridge.documents(name, version, this, columns) -%}
  {%- set features = documents.features | rejectattr('name', 'equalto', 'ml_target') | list -%}
  {%- set psi, rows = {}, [0] -%}
  {#- The time to plan a query grows faster than its text, so that one for 500 features would take longer than five. -#}
  {%- for some in features | batch(100) -%}
    {%- set documents = dict(documents, features=some) -%}
    {%- set source -%}
      select cast(null as timestamp) as window_start, {{ mlbridge.values_of(documents, columns) }}
      from {{ split }} as facts
      where cast(facts.{{ mlbridge.quoted(mlbridge.spec(name).time) }} as timestamp) > (
        select max(as_of) from {{ this }} where version = {{ version }}
      )
    {%- endset -%}
    {%- set entries = [] -%}
    {%- for feature in some -%}{%- do entries.append({'feature': feature.name, 'bin': 'bin_' ~ loop.index0}) -%}{%- endfor -%}
    {%- set counted = mlbridge.count_bins(source, documents, entries) -%}
    {%- for row in run_query(mlbridge.psi_by_feature(counted, documents)).rows -%}
      {%- do rows.append(row[1] | int) -%}
      {%- if row[2] is not none -%}{%- do psi.update({row[0]: row[2] | float}) -%}{%- endif -%}
    {%- endfor -%}
  {%- endfor -%}
  {%- set moved = namespace(total=0.0, weight=0.0) -%}
  {%- for feature, weight in documents.weights.items() if feature in psi -%}
    {%- set moved.total = moved.total + weight * psi[feature] -%}
    {%- set moved.weight = moved.weight + weight -%}
  {%- endfor -%}
  {%- if rows | max < 100 or not moved.weight -%}{{ return(none) }}{%- endif -%}
  {{ return({'value': moved.total / moved.weight, 'rows': rows | max, 'features': psi}) }}
{% endmacro %}
