"""Prints the names and sentences that break tests/vocabulary/rules.toml: `python tests/vocabulary [PATH ...]`."""

import sys
from pathlib import Path

from check import check_file, list_files


def main() -> int:
    offences = [o for f in list_files([Path(p) for p in sys.argv[1:]]) for o in check_file(f)]
    print(*offences, f"{len(offences)} in {len({o.path for o in offences})} files", sep="\n")
    return bool(offences)


if __name__ == "__main__":
    sys.exit(main())
