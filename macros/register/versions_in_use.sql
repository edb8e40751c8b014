{# Which versions of a model are in use: the only place where this is decided, for scoring, comparison and display. #}

{% macro versions_in_use(name, logbook) %}
  {#-
    A select of one row: `champion`, the version that the spec pins, else the one promoted last; `challenger`, the version chosen
    last that is not the champion, promoted or not; `promoted`, the one promoted last whatever is pinned; `canary`, the challenger if it
    may answer people: it is newer than the champion, has beaten the naive baselines, and no version is pinned, because a
    pin takes back what came after it. Each is NULL where there is none. A retired or withheld version is none of them; a build of
    a past day (`mlbridge_as_of`) does not see later versions. `logbook` is the model's table or a select from it.
  -#}
  {%- set pin = mlbridge.spec(name).pin -%}
  {%- set newest_first = 'order by as_of desc, trained_at desc, version desc' -%}
  select
    max(case when is_champion then version end) as champion,
    max(case when not is_champion and age_rank = 1 then version end) as challenger,
    max(case when is_promoted_last then version end) as promoted,
    {{ 'cast(null as ' ~ dbt.type_int() ~ ')' if pin is not none else
      "max(case when not is_champion and newest_rank = 1 and reason not like '%not better than the naive baseline%' then version end)" }} as canary
  from (
    select marked.*, row_number() over (partition by is_champion {{ newest_first }}) as age_rank
    from (
      select
        ranked.*,
        outcome = 'promoted' and outcome_rank = 1 as is_promoted_last,
        {{ "outcome = 'promoted' and outcome_rank = 1" if pin is none else 'version = ' ~ pin }} as is_champion
      from (
        select
          version, outcome, reason, as_of, trained_at,
          row_number() over (partition by outcome {{ newest_first }}) as outcome_rank,
          row_number() over ({{ newest_first }}) as newest_rank
        from {{ logbook }}
        where
          outcome in ('promoted', 'rejected')
          and not ({{ mlbridge.is_retired(name) }})
          and {{ mlbridge.is_known('as_of') }}
      ) as ranked
    ) as marked
  ) as chosen
{%- endmacro %}

{% macro in_use(name, logbook) %}
  {#- The same as a mapping of numbers. Refuses a pin or a retirement of a version that is not there. -#}
  {%- do mlbridge.check_retired(name, logbook) -%}
  {%- set numbers = run_query(mlbridge.versions_in_use(name, logbook)).rows[0] -%}
  {%- set found = {} -%}
  {%- for role in ['champion', 'challenger', 'promoted'] -%}
    {%- set number = numbers[loop.index0] -%}
    {%- do found.update({role: none if number is none else number | int}) -%}
  {%- endfor -%}
  {%- if found.champion is none -%}{%- do mlbridge.check_pin(name, logbook) -%}{%- endif -%}
  {{ return(found) }}
{% endmacro %}

{% macro kept_versions(logbook, condition) %}
  {#- The numbers of the versions that were trained, and on which the condition holds, in order. -#}
  {%- set query -%}
    select version from {{ logbook }} where outcome in ('promoted', 'rejected', 'withheld') and {{ condition }} order by version
  {%- endset -%}
  {{ return(run_query(query).columns[0].values() | map('int') | list) }}
{% endmacro %}

{% macro check_retired(name, logbook) %}
  {#- Refuses to retire a version that the logbook does not have; logs what is retired. -#}
  {%- set retired = mlbridge.spec(name).retire -%}
  {%- if not retired -%}{{ return(none) }}{%- endif -%}
  {%- set there = mlbridge.kept_versions(logbook, '1 = 1') -%}
  {%- for version in retired if version not in there -%}
    {{ mlbridge.refuse(model.name, '`mlbridge.retire`: there is no version ' ~ version ~ '; the logbook has '
      ~ (there | join(', ') or 'none') ~ '. Name one that is there, or take it out of the list.') }}
  {%- endfor -%}
  {%- do log(model.name ~ ': retired, neither scored with nor compared with: version ' ~ retired | join(', '), info=true) -%}
{% endmacro %}

{% macro check_pin(name, logbook) %}
  {#- Refuses a pin on a version that cannot be the champion. -#}
  {%- set pin = mlbridge.spec(name).pin -%}
  {%- if pin is none -%}{{ return(none) }}{%- endif -%}
  {%- set chosen = "outcome <> 'withheld' and not (" ~ mlbridge.is_retired(name) ~ ') and ' ~ mlbridge.is_known('as_of') -%}
  {%- set there = mlbridge.kept_versions(logbook, chosen) | join(', ') or 'none' -%}
  {%- if pin in mlbridge.kept_versions(logbook, "outcome = 'withheld' and " ~ mlbridge.is_known('as_of')) -%}
    {{ mlbridge.refuse(model.name, '`mlbridge.pin`: version ' ~ pin ~ ' is withheld, because of what looks like a leak; see '
      ~ '`ml_leaks`. Pin one of ' ~ there ~ ', or allow the column in `allow_leakage` to train anew.') }}
  {%- endif -%}
  {{ mlbridge.refuse(model.name, '`mlbridge.pin`: there is no version ' ~ pin ~ ' that this build knows; the logbook has '
    ~ there ~ '. Pin one that is there, or remove the pin.') }}
{% endmacro %}
