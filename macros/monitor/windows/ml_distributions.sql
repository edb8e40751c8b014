{# The selects of `ml_distributions`: the windows of each version that have to be counted. #}

{% macro distributions(name) %}
  {#- The selects of one model; none when nothing has changed. -#}
  {%- set refs = {'predictions': ref(name ~ '_predictions'), 'split': ref(name ~ '_split'), 'versions': ref('ml_versions')} -%}
  {%- set training = ref(name ~ '_training') -%}
  {%- if not mlbridge.is_running() or not mlbridge.is_built(name) -%}{{ return([]) }}{%- endif -%}
  {%- set open, unknown = mlbridge.open_windows(name, 'rows_new', "period = 'scored'"), mlbridge.unknown_trainings(name) -%}
  {%- if not open and not unknown -%}{{ return([]) }}{%- endif -%}
  {%- set selects, columns = [], {} -%}
  {%- for column in adapter.get_columns_in_relation(refs.split) -%}{%- do columns.update({column.name: column}) -%}{%- endfor -%}
  {%- do columns.update({'ml_target': columns[mlbridge.spec(name).target]}) -%}
  {%- for version in mlbridge.undamaged(unknown, name, training, mlbridge.compared_documents()) -%}
    {%- set documents = mlbridge.documents(name, version, training, columns) -%}
    {%- set source = mlbridge.training_source(name, documents, columns, refs) -%}
    {#- Counted by every category: those that occur in one window only show how often new categories are normal. -#}
    {%- set every = documents.profile.values() | map('last') | map(attribute='bin') | max -%}
    {%- set counted = mlbridge.count_bins(source, documents, mlbridge.feature_entries(documents), every) -%}
    {%- do selects.append(mlbridge.counted_windows(name, version, 'training', counted)) -%}
  {%- endfor -%}
  {%- for version in mlbridge.undamaged(open.keys() | list, name, training, mlbridge.compared_documents()) -%}
    {%- set starts = open[version] -%}
    {%- set documents = mlbridge.documents(name, version, training, columns) -%}
    {%- set source = mlbridge.scored_source(name, documents, columns, refs, starts) -%}
    {%- set entries = mlbridge.feature_entries(documents) + mlbridge.scored_entries(documents, mlbridge.monitor(name).slices) -%}
    {%- set counted = mlbridge.count_bins(source, documents, entries) -%}
    {%- do selects.append(mlbridge.counted_windows(name, version, 'scored', counted)) -%}
    {%- if is_incremental() -%}{%- do selects.append(mlbridge.emptied_windows(name, version, starts)) -%}{%- endif -%}
  {%- endfor -%}
  {{ return(selects) }}
{% endmacro %}
