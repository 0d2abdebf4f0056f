"""How load_test.js is run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("load_test.js")


def command(k6: str, verb: str, plan: Mapping[str, Any], folder: Path) -> list[str]:
    """The command line of `k6 run` or `k6 inspect`; the plan is put into the folder.

    The plan is a file because it holds a secret: `webhook`, `graph` (addresses), `app_secret`,
    `run` (hex that no other run has), `numbers` (`phone_number_id`, `account`, `voice`),
    `stages` (`steady`, `spike`, `soak`), `seconds` (None for the usual ones), `errors_only`,
    `patience_seconds` (how long a reply is waited for), `results` (a file).
    """
    file = folder / "load.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(plan))
    # Nobody is told that it ran, and it listens nowhere.
    flags = ["--no-usage-report", "--address="] if verb == "run" else []
    return [k6, verb, *flags, "-e", f"CONSERJE_LOAD_PLAN={file}", str(SCRIPT)]
