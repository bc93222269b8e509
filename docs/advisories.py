"""Compares constraints.txt with a copy of Safety DB, where no vulnerability service can be asked.

    git clone --depth 1 https://github.com/pyupio/safety-db
    python docs/advisories.py safety-db/data/insecure.json

Exit code 1 where a pinned version is affected. Safety DB may be used for this, not passed on (CC BY-NC-SA 4.0).
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from licences import pins
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

__all__ = ["affected"]


def affected(versions: Mapping[str, str], database: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The packages whose version is among those that the database names, with what it names.

    >>> affected({"jinja2": "3.1.6", "torch": "2.1"}, {"Jinja2": ["<3.1.6"], "torch": ["<2.6.0", "<1.13"]})
    {'torch': ['<2.6.0']}
    """
    named = {canonicalize_name(name): ranges for name, ranges in database.items()}
    found = {
        name: [text for text in named.get(name, []) if SpecifierSet(text).contains(version, prereleases=True)]
        for name, version in versions.items()
    }
    return {name: ranges for name, ranges in found.items() if ranges}


def main(file: str) -> int:
    database = json.loads(Path(file).read_text())
    made = datetime.fromtimestamp(database.pop("$meta")["timestamp"], UTC)
    versions, named = pins(), {canonicalize_name(name) for name in database}
    advisories = sum(map(len, database.values()))
    print(f"Safety DB of {made:%-d %B %Y}: {advisories:,} advisories for {len(database):,} packages")
    print(f"{len(versions)} pinned packages, {len(named & versions.keys())} of them occur there")
    found = affected(versions, database)
    for name, ranges in found.items():
        print(f"{name} {versions[name]} is affected: {', '.join(ranges)}")
    print("No known vulnerabilities found" if not found else f"{len(found)} packages are affected")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 2 else __doc__)
