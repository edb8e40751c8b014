"""What the pages tell a user to type: their blocks of commands, files and expected outputs, and how to run them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from dbt_host import ROOT

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"(?:^`(?P<file>[^`]+)`\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
CUSTOMER_MONTHS = """
select
    'c' || customer as customer_id,
    timestamp '2024-01-31' + interval (month) month as month_end,
    month_end + interval 1 month as known_at,
    case customer % 3 when 0 then 'NL' when 1 then 'DE' end as country,
    case when customer % 5 = 0 then 'free' else 'paid' end as plan,
    cast(hash(customer, month) % 9 as integer) as orders,
    (hash(customer, month, 1) % 10000) / 100.0 as revenue,
    cast(hash(customer, month, 2) % 4 as integer) as support_tickets,
    case when month < 17 then hash(customer, month) % 9 + hash(customer, month, 3) % 12 < 6 end as left_next_month
from range(300) as c(customer), range(18) as m(month)
"""


def section(page: str, title: str) -> str:
    """Give the text of a page below a heading, up to the next heading of its level."""
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def assert_shown(expected: str, printed: str) -> None:
    """Find each line of an expected output in what was printed, in order; `...` is anything, and figures may differ."""
    rest = _stable(printed)
    for line in filter(None, _stable(expected).splitlines()):
        found = re.search(".*".join(map(re.escape, line.split("..."))), rest)
        assert found, f"not printed, or not here: {line}\n\n{printed}"
        rest = rest[found.end() :]


def _stable(text: str) -> str:
    """Write all figures as 0, and one space for many."""
    return "\n".join(re.sub(r"\d+([.,:]\d+)*", "0", " ".join(line.split())) for line in text.splitlines())


def shell(command: str, folder: Path, programs: Path, **variables: str) -> str:
    """Run commands in a folder with the programs of an environment; gives what they print."""
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "DO_NOT_TRACK": "1", **variables}
    environment.pop("DBT_PROFILES_DIR", None)
    done = subprocess.run(
        ["bash", "-euc", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}{done.stderr[-3000:]}"
    return done.stdout
