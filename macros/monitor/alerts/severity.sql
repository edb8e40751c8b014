{# How severe an alert is, and what to do about it. #}

{% macro relied_share() %}
  {#- A model relies on its most important features, which together hold this share of the permutation importance. -#}
  {{ return('0.8e0') }}
{% endmacro %}

{% macro severities() %}
  {#- The names of the severities by rank; the higher, the sooner a person has to act. -#}
  {{ return({3: 'act', 2: 'look', 1: 'note'}) }}
{% endmacro %}

{% macro severity(rank) %}
  {%- set names = {} -%}
  {%- for number, name in mlbridge.severities().items() -%}{%- do names.update({number: mlbridge.text(name)}) -%}{%- endfor -%}
  {{ return(mlbridge.pick(rank, names)) }}
{% endmacro %}

{% macro severity_rank(name) %}
  {#- The rank of a severity by its name. -#}
  {%- set ranks = {} -%}
  {%- for number, each in mlbridge.severities().items() -%}{%- do ranks.update({mlbridge.text(each): number}) -%}{%- endfor -%}
  {{ return(mlbridge.pick(name, ranks)) }}
{% endmacro %}

{% macro severity_of_drift() %}
  {#-
    2 (look): against training, drift of the prediction or of a feature that the model relies on; a feature of unknown
    importance counts as one. 1 (note): all other drift, such as that of the target or drift against the previous window
    only.
  -#}
  case
    when drift.baseline = 'training' and drift.feature = 'ml_prediction' then 2
    when drift.baseline = 'training' and drift.feature <> 'ml_target' and coalesce(relied.is_relied, 1) = 1 then 2
    else 1
  end
{%- endmacro %}

{% macro severity_of_performance() %}
  {#-
    3 (act): realized performance over all rows is below its threshold in the metric by which versions are chosen
    (`deciding_alerts`), or in another metric where that one is muted (`deciding_can_alert` = 0). 2 (look): in another metric only, in
    a slice, or estimated over all rows. 1 (note): estimated in a slice.
  -#}
  case
    when kind = 'realized' and slice = 'all' and (deciding_alerts = 1 or deciding_can_alert = 0) then 3
    when kind = 'realized' or slice = 'all' then 2
    else 1
  end
{%- endmacro %}

{% macro action_on_drift() %}
  case drift.feature
    when 'ml_prediction'
      then 'Check which features drifted in this window; compare the outcomes as they arrive, and train again if they differ from the predictions.'
    when 'ml_target'
      then 'Check whether the outcomes are complete and defined as before; if they are, train again on newer rows.'
    else
      'Find out at the source of this feature what changed in this window: correct it there, or train again if the change is permanent; a threshold for this feature can be set in monitor.feature_thresholds.'
  end
{%- endmacro %}

{% macro action_on_performance() %}
  case
    when kind = 'realized' and slice = 'all' and deciding_alerts = 0 and deciding_can_alert = 1
      then 'Look at the slices and at which features drifted; ' || deciding_metric || ', by which versions are chosen, is within its threshold.'
    when kind = 'realized'
      then 'Do not rely on these predictions before the cause is found: look at the slices and at which features drifted, then train again on newer rows, or pin an earlier version.'
    else
      'Wait for the outcomes of this window, or get some of them early: an estimate reflects changes of the features only.'
  end
{%- endmacro %}
