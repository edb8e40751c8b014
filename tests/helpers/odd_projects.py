"""Files of projects as teams write them: what a command that edits them has to leave as it is."""

from __future__ import annotations

PLAIN = "name: shop\nversion: 1.0.0\nprofile: shop\n"
# Files of dbt_project.yml by what is odd about them.
PROJECTS = {
    "plain": PLAIN,
    "no newline at the end": PLAIN.rstrip(),
    "carriage returns": PLAIN.replace("\n", "\r\n") + "\r\nvars:\r\n  a: 1\r\n",
    "blank lines and comments": (
        "# The shop.\nname: 'shop'  # us\n\n\nprofile: shop\n\n"
        "vars:   # what varies\n\n  a: 1   # one\n\n  # b: 2\n\n# the end\n"
    ),
    "four spaces": PLAIN
    + "flags:\n    fail_fast: true\nvars:\n    deep:\n        deeper: [1,2]\nmodels:\n    shop:\n        +tags: x\n",
    "lists at the left": PLAIN + "model-paths:\n- models\n- more\non-run-end:\n- 'select 1'\n",
    "brackets": '{name: shop, version: "1.0.0", profile: shop, vars: {a: {b: 1}}}\n',
    "brackets over lines": PLAIN + "vars: {\n  a: 1,\n  b: [\n    2,\n  ],\n}\nflags: {}\n",
    "anchors": PLAIN + "models:\n  shop:\n    staging: &view {+materialized: view}\n    marts: *view\n",
    "merge keys": PLAIN + "vars:\n  all: &all {a: 1}\n  deep:\n    <<: *all\n    b: 2\n",
    "empty keys": PLAIN + "vars: {}\nflags: {}\nmodels: {}\n",
    "models declared by hand": PLAIN + "vars:\n  mlbridge_models: [churn]   # by hand\n  z: 1\n",
    "models in lines": PLAIN + "vars:\n    mlbridge_models:\n        - churn\n\n        # - later\n    z: 1\n",
    "models at the left": PLAIN + "vars:\n  mlbridge_models:\n  - churn\n  z: 1\n",
    "an empty list": PLAIN + "vars:\n  mlbridge_models: []\n",
    "below the package": PLAIN + "vars:\n  mlbridge:\n    mlbridge_models: [churn]\n  shop: {a: 1}\n",
    "a text at the end": PLAIN + "on-run-end: |\n  select 1\n\n  select 2\n",
    "a text that keeps its end": PLAIN + "on-run-end: |+\n  select 1\n\n",
    "a document's marks": "%YAML 1.1\n---\n" + PLAIN + "...\n",
    "the flag is there": PLAIN + "flags:\n  require_ref_searches_node_package_before_root: false # our way\n",
    "a mark at the beginning": "\ufeff" + PLAIN,
    "other letters": PLAIN + "vars: {straße: 'größe', 名: 1}\n",
}
# The same that dbt itself does not take.
REFUSED = {
    "keys of null": PLAIN + "vars:\nflags: ~\nmodels:   # none\n",
    "merge keys at the top": PLAIN + "x-all: &all\n  a: 1\nvars:\n  <<: *all\n  b: 2\n",
}
PACKAGES = {
    "none": None,
    "empty": "",
    "a comment": "# none yet\n",
    "one": "packages:\n  - package: dbt-labs/dbt_utils\n    version: 1.1.1\n",
    "no newline at the end": "packages:\n  - local: utils",
    "at the left": "packages:\n- local: utils   # ours\n# the end\n",
    "brackets": "packages: [{local: utils}]\n",
    "an empty list": "packages: []\n",
    "four spaces": 'packages:\n    -   git: "https://host/x.git"\n        revision: v1\n',
    "carriage returns": "packages:\r\n  - local: utils\r\n",
}
IGNORED = {
    "none": None,
    "some": "target/\n",
    "no newline at the end": "target/",
    "one of ours": "*.duckdb\r\nlogs/\r\n",
}
