"""Measures co-editing beside its peers; ours has its journal in a PostgreSQL that keeps its promises.

PARTS="deliveries presence …" plays some of it. QUICK=1 plays one short round of most, with fewer shapes and peers, and
smaller crowds and documents.
"""

import os
import sys
import time
from typing import Any

from tests.bench import (
    _collab_crowd,
    _collab_deliveries,
    _collab_documents,
    _collab_fuzz,
    _collab_kills,
    _collab_pair,
    _collab_presence,
)
from tests.bench._collab_servers import PEERS, apart, backing, cores
from tests.contract.packages import install_packages

PARTS = {
    "idle": _collab_crowd.idle,
    "storm": _collab_crowd.storm,
    "presence": _collab_presence.presence,
    "kills": _collab_kills.kills,
    "pair": _collab_pair.pair,
    "fuzz": _collab_fuzz.fuzz,
    "opening": _collab_documents.opening,
    "neighbours": _collab_documents.neighbours,
    "memory": _collab_documents.memory,
    "deliveries": _collab_deliveries.deliveries,
}
SLOW = {"memory"}  # a minute of it is waiting


def rows() -> list[dict[str, Any]]:
    install_packages()
    install_packages(PEERS, optional=True)  # bun is such
    quick = bool(os.environ.get("QUICK"))
    core, others = cores()
    found = []
    with apart(core, others), backing() as under:
        for name in os.environ.get("PARTS", "").split() or [name for name in PARTS if not quick or name not in SLOW]:
            began = time.monotonic()
            found += [row.shown() for row in PARTS[name](under, core, quick=quick)]
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return found
