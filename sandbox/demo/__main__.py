"""`python -m sandbox.demo`: the demo hotels in databases that `migrate` has prepared.

For a trial elsewhere than `make run`, which does this by itself. What is there stays.
"""

import asyncio
import os
import sys
from collections.abc import Mapping

from sandbox import demo
from sandbox.databases import DatabaseUrls

SERVICES = ("tenant", "booking")


def main(environ: Mapping[str, str] = os.environ) -> int:
    """0 when the hotels are there; 2 when a database is not named."""
    named = {name: f"CONSERJE_{name.upper()}_OWNER_DATABASE_URL" for name in SERVICES}
    missing = [variable for variable in named.values() if not environ.get(variable)]
    if missing:
        print(f"conserje demo: {' and '.join(missing)} must name the databases", file=sys.stderr)
        return 2
    owners = {name: DatabaseUrls(environ[variable], "") for name, variable in named.items()}
    asyncio.run(demo.load(owners))
    return 0


if __name__ == "__main__":
    sys.exit(main())
