"""Rewrites messages.txt: `python tests/snapshots`. Fails if a call raises nothing."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from snapshots.calls import CALLS
from snapshots.record import FILE, format_record, message_of

if __name__ == "__main__":
    messages = {name: message_of(call) for name, call in CALLS.items()}
    FILE.write_text(format_record(messages))
    if silent := [name for name, message in messages.items() if message == "no error"]:
        sys.exit(f"these calls raise no error: {', '.join(silent)}")
