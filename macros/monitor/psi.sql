{# The population stability index: what a bin adds to it, and by feature for the training node. #}

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
