"""Compares constraints.txt with a copy of Safety DB, for when no vulnerability service is within reach.

    git clone --depth 1 https://github.com/pyupio/safety-db
    python docs/advisories.py safety-db/data/insecure.json

Exit code 1 if a pinned version is affected. The licence of Safety DB (CC BY-NC-SA 4.0) allows
this use, but not to pass the file on.
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from licences import read_pins
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

__all__ = ["find_advisories"]


def find_advisories(versions: Mapping[str, str], database: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The packages whose version the database lists as vulnerable, with the ranges that contain it.

    >>> find_advisories({"jinja2": "3.1.6", "torch": "2.1"}, {"Jinja2": ["<3.1.6"], "torch": ["<2.6.0", "<1.13"]})
    {'torch': ['<2.6.0']}
    """
    named = {canonicalize_name(name): ranges for name, ranges in database.items()}
    advisories = {
        name: [text for text in named.get(name, []) if SpecifierSet(text).contains(version, prereleases=True)]
        for name, version in versions.items()
    }
    return {name: ranges for name, ranges in advisories.items() if ranges}


def main(file: str) -> int:
    database = json.loads(Path(file).read_text())
    date = datetime.fromtimestamp(database.pop("$meta")["timestamp"], UTC)
    versions, named = read_pins(), {canonicalize_name(name) for name in database}
    number = sum(map(len, database.values()))
    print(f"Safety DB of {date:%-d %B %Y}: {number:,} advisories for {len(database):,} packages")
    print(f"{len(versions)} pinned packages, {len(named & versions.keys())} of them occur there")
    advisories = find_advisories(versions, database)
    for name, ranges in advisories.items():
        print(f"{name} {versions[name]} is affected: {', '.join(ranges)}")
    print("No known vulnerabilities found" if not advisories else f"{len(advisories)} packages are affected")
    return int(bool(advisories))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 2 else __doc__)
