{# The population stability index: the term of a bin, and the index of each feature for the training node. #}

{% macro psi_by_feature(counted, documents) %}
  {#-
    `feature, rows_seen, psi`. Values outside the range of training and unknown categories are counted in the outermost
    bins.
  -#}
  with counted as (
    {{ counted }}
  ),

  profile as (
    {{ mlbridge.profile_of(documents) }}
  ),

  features as (
    select feature, max(bin) as last_bin, cast(sum(baseline_rows_in_bin) as {{ mlbridge.type_double() }}) as rows_baseline
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
      cast(sum(counted.n) as {{ mlbridge.type_double() }}) as rows_in_bin
    from counted
    inner join features on counted.feature = features.feature
    inner join (select distinct feature, kind from profile) as profile_kinds on counted.feature = profile_kinds.feature
    group by 1, 2
  ),

  compared as (
    select
      profile.feature,
      cast(profile.baseline_rows_in_bin as {{ mlbridge.type_double() }}) as baseline_rows_in_bin,
      features.rows_baseline,
      coalesce(placed.rows_in_bin, 0) as rows_in_bin,
      sum(placed.rows_in_bin) over (partition by profile.feature) as rows_used
    from profile
    inner join features on profile.feature = features.feature
    left join placed on {{ mlbridge.same('profile', 'placed', 'feature, bin') }}
  )

  select compared.feature, max(seen.rows_seen) as rows_seen, sum({{ mlbridge.psi_term() }}) as psi
  from compared
  inner join (select feature, sum(n) as rows_seen from counted group by feature) as seen on compared.feature = seen.feature
  group by compared.feature
  order by compared.feature
{% endmacro %}

{% macro psi_term() %}
  {#-
    The term of a bin. A bin that is empty in one of the two counts there as half a row, since the term would be infinite
    otherwise; a bin that is empty in both adds nothing.
  -#}
  case when rows_in_bin > 0 or baseline_rows_in_bin > 0
    then (case when rows_in_bin > 0 then rows_in_bin else 0.5e0 end / nullif(rows_used, 0)
      - case when baseline_rows_in_bin > 0 then baseline_rows_in_bin else 0.5e0 end / nullif(rows_baseline, 0))
    * ln(
      (case when rows_in_bin > 0 then rows_in_bin else 0.5e0 end / nullif(rows_used, 0))
      / (case when baseline_rows_in_bin > 0 then baseline_rows_in_bin else 0.5e0 end / nullif(rows_baseline, 0))
    )
    else 0 / nullif(rows_used * rows_baseline, 0)
  end
{%- endmacro %}
