"""How spec, features and mlbridge differ from the last training."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mlbridge.errors import listed
from mlbridge.features.columns import family
from mlbridge.registry.logbook import CandidateRow
from mlbridge.spec.specification import NON_TRAINING_KEYS, Spec, stored_spec


def changed(last: CandidateRow, spec: Spec, spec_hash: str, features: Mapping[str, str], package: str) -> str | None:
    """Describe the difference of spec, features or mlbridge since the last training; None where there is none.

    `features` gives each feature's type in the warehouse, `package` is the version of mlbridge.
    """
    before = last.library_versions["mlbridge"]
    if before.split(".")[0] != package.split(".")[0]:
        return f"mlbridge went from {before} to {package}"
    known = {each["name"]: each["type"] for each in last.features}
    refused = [name for name in known if name not in features and spec.rules_out(name)]
    changes = feature_changes({name: type_ for name, type_ in known.items() if name not in refused}, features)
    if refused:
        changes = ", ".join([f"the spec no longer wants {listed(refused)}", *([changes] if changes else [])])
    if changes:
        return f"the features changed: {changes}"
    if last.spec_hash != spec_hash:
        old, new = (json.loads(json.dumps(each.as_dict())) for each in (stored_spec(last.spec), spec))
        keys = [key for key in new if old.get(key) != new[key] and key not in NON_TRAINING_KEYS]
        return f"the spec changed: {', '.join(keys) or 'the definition of a candidate'}"
    return None


def feature_changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Describe how two schemas differ; empty where they do not."""
    gone = [f"'{name}' is gone" for name in before if name not in now]
    came = [f"'{name}' is new" for name in now if name not in before]
    other = [
        f"'{name}' was {before[name]} and is {now[name]}"
        for name in before
        if family(now.get(name, before[name])) != family(before[name])
    ]
    return ", ".join(gone + other + came)
