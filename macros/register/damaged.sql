{# Documents of the logbook that are damaged: JSON that was cut off, or edited by hand. #}

{% macro damaged_documents(names=['features', 'metrics', 'importances', 'profile', 'reference', 'estimation', 'leaks', 'lineage']) %}
  {#- The names of the documents in a row of a logbook that cannot be unfolded, with commas; NULL where all can. -#}
  {%- set found = [] -%}
  {%- for name in names -%}
    {%- do found.append('case when ' ~ name ~ ' is null or ' ~ mlbridge.can_unfold(name) ~ " then '' else ', " ~ name ~ "' end") -%}
  {%- endfor -%}
  {{ return('nullif(substring(' ~ dbt.concat(found) ~ ", 3), '')") }}
{% endmacro %}

{% macro undamaged(versions, name, logbook, documents) %}
  {#-
    Those of a model's versions of which the calling node can read `documents`, and the params; a warning names the others, which it
    leaves out.
  -#}
  {%- if not versions -%}{{ return([]) }}{%- endif -%}
  {%- set query -%}
    select version, {{ mlbridge.damaged_documents(documents) }}, params
    from {{ logbook }}
    where outcome in ('promoted', 'rejected', 'withheld') and version in ({{ versions | join(', ') }})
  {%- endset -%}
  {%- set damaged = [] -%}
  {%- for row in run_query(query).rows -%}
    {%- set no_json = [row[1], none if fromjson(row[2]) else 'params'] | reject('none') | join(', ') -%}
    {%- if no_json -%}
      {%- do damaged.append(row[0] | int) -%}
      {%- do exceptions.warn(model.name ~ ': version ' ~ row[0] ~ ' of ' ~ name ~ ' is left out, because this is no JSON in its row of '
        ~ name ~ '_training: ' ~ no_json ~ '. Restore the row from a backup.') -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(versions | reject('in', damaged) | list) }}
{% endmacro %}
