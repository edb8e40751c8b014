{# What an alert means, and what to do about it. #}

{% macro relied_share() %}
  {#- The share of all permutation importance that the features hold together on which a model is said to rely. -#}
  {{ return('0.8e0') }}
{% endmacro %}

{% macro severities() %}
  {#- What alerts mean, by rank: the greater needs a person sooner. -#}
  {{ return({3: 'act', 2: 'look', 1: 'note'}) }}
{% endmacro %}

{% macro severity(rank) %}
  {%- set words = {} -%}
  {%- for place, word in mlbridge.severities().items() -%}{%- do words.update({place: mlbridge.text(word)}) -%}{%- endfor -%}
  {{ return(mlbridge.pick(rank, words)) }}
{% endmacro %}

{% macro severity_of_drift() %}
  {#-
    2 (look): the prediction, or a feature that the model relies on, is far from training; a feature whose importance is
    not known counts as one. 1 (note): the rest, such as what is far from the window before only, as training knew it.
  -#}
  case
    when drift.baseline = 'training' and drift.feature = 'ml_prediction' then 2
    when drift.baseline = 'training' and drift.feature <> 'ml_target' and coalesce(relied.is_relied, 1) = 1 then 2
    else 1
  end
{%- endmacro %}

{% macro severity_of_performance() %}
  {#- 3 (act): lost, by outcomes. 2 (look): lost by an estimate, or in a slice. 1 (note): lost in a slice by an estimate. -#}
  1
  + case when performance.kind = 'realized' then 1 else 0 end
  + case when performance.slice = 'all' then 1 else 0 end
{%- endmacro %}

{% macro action_on_drift() %}
  case drift.feature
    when 'ml_prediction'
      then 'Look which features moved in this window; compare the outcomes as they come in, and train again if they differ from the predictions.'
    when 'ml_target'
      then 'Look whether the outcomes are complete and defined as before; if they are, train again on newer rows.'
    else
      'Ask where this feature comes from what changed in this window: mend it there, or train again if the change stays; a threshold of its own can be fixed in monitor.feature_thresholds.'
  end
{%- endmacro %}

{% macro action_on_performance() %}
  case performance.kind
    when 'realized'
      then 'Do not rely on these predictions before the cause is found: look at the slices and at what moved, then train again on newer rows, or pin an earlier version.'
    else
      'Wait for the outcomes of this window, or get some of them early: an estimate sees what the features show, and nothing else.'
  end
{%- endmacro %}
