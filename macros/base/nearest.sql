{% macro nearest(word, allowed) %}
  {#- The allowed word that shares most pairs of letters with what was found (Dice's coefficient), if half do. -#}
  {%- set best = namespace(word=none, share=0.5) -%}
  {%- set pairs = mlbridge.letter_pairs(word) -%}
  {%- for other in allowed -%}
    {%- set others = mlbridge.letter_pairs(other) -%}
    {%- set share = 2 * (pairs | select('in', others) | list | length) / ([pairs | length + others | length, 1] | max) -%}
    {%- if share >= best.share -%}
      {%- set best.word = other -%}
      {%- set best.share = share -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(" Did you mean '" ~ best.word ~ "'?" if best.word is not none else "") }}
{% endmacro %}

{% macro letter_pairs(word) %}
  {%- set letters = ' ' ~ word | string | lower ~ ' ' -%}
  {%- set pairs = [] -%}
  {%- for i in range(letters | length - 1) -%}{%- do pairs.append(letters[i:i + 2]) -%}{%- endfor -%}
  {{ return(pairs) }}
{% endmacro %}
