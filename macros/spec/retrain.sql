{# The var `mlbridge_retrain`. #}

{% macro retrain_mode() %}
  {#- The mode that the var `mlbridge_retrain` sets: `always`, `policy` (the spec's `retrain` decides) or `never`. -#}
  {%- set found = var('mlbridge_retrain', false) -%}
  {%- set modes = {
    'true': 'always', 'yes': 'always', '1': 'always',
    'policy': 'policy', 'false': 'policy', 'no': 'policy', '0': 'policy', 'none': 'policy',
    'never': 'never',
  } -%}
  {%- if found | string | lower not in modes -%}
    {{ mlbridge.refuse(model.name, 'the var `mlbridge_retrain` says ' ~ mlbridge.shown(found) ~ '.'
      ~ mlbridge.nearest(found, ['true', 'false', 'policy', 'never']) ~ ' Allowed: true, false, policy, never.') }}
  {%- endif -%}
  {{ return(modes[found | string | lower]) }}
{% endmacro %}
