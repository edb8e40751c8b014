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
    order by as_of desc, trained_at desc, version desc
    limit 1
  {%- endset -%}
  {%- set found = run_query(asked).rows -%}
  {{ return(found[0][0] | int if found else none) }}
{% endmacro %}

{% macro psi_by_feature(counted, documents) %}
  {#- `feature, rows_seen, psi`; values outside the range of training and unknown categories stand in the outer bins. -#}
  with counted as (
    {{ counted }}
  ),

  profile as (
    {{ mlbridge.profile_of(documents) }}
  ),

  features as (
    select feature, max(bin) as last_bin, cast(sum(m) as {{ mlbridge.type_double() }}) as rows_baseline
    from profile
    group by feature
  ),

  placed as (
    select
      counted.feature,
      case
        when counted.bin = -2 and profile_kinds.kind = 'numeric' then 0
        when counted.bin = -2 or counted.bin > features.last_bin then features.last_bin
        else counted.bin
      end as bin,
      cast(sum(counted.n) as {{ mlbridge.type_double() }}) as n
    from counted
    inner join features on counted.feature = features.feature
    inner join (select distinct feature, kind from profile) as profile_kinds on counted.feature = profile_kinds.feature
    group by 1, 2
  ),

  compared as (
    select
      profile.feature,
      cast(profile.m as {{ mlbridge.type_double() }}) as m,
      features.rows_baseline,
      coalesce(placed.n, 0) as n,
      sum(placed.n) over (partition by profile.feature) as rows_used
    from profile
    inner join features on profile.feature = features.feature
    left join placed on profile.feature = placed.feature and profile.bin = placed.bin
  )

  select compared.feature, max(seen.rows_seen) as rows_seen, sum({{ mlbridge.psi_term() }}) as psi
  from compared
  inner join (select feature, sum(n) as rows_seen from counted group by feature) as seen on compared.feature = seen.feature
  group by compared.feature
  order by compared.feature
{% endmacro %}

{% macro psi_term() %}
  {#-
    What a bin adds to the population stability index. Where only one of the two leaves it empty, that counts as half a
    row, or it would be infinite; where both do, as that of all other categories may be, it adds nothing.
  -#}
  case when n > 0 or m > 0
    then (case when n > 0 then n else 0.5e0 end / nullif(rows_used, 0) - case when m > 0 then m else 0.5e0 end / nullif(rows_baseline, 0))
    * ln(
      (case when n > 0 then n else 0.5e0 end / nullif(rows_used, 0))
      / (case when m > 0 then m else 0.5e0 end / nullif(rows_baseline, 0))
    )
    else 0 / nullif(rows_used * rows_baseline, 0)
  end
{%- endmacro %}
