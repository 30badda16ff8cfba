"""Hides SeaweedFS: master, volume, filer and S3 gateway in one process, on 127.0.0.1 alone."""

import hashlib
import http.client
import itertools
import json
import os
import shutil
import sysconfig
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

from backend.embedded import children
from backend.embedded.children import Command
from backend.embedded.plan import HOST, Plan

JOURNALS = 8  # of leveldb2, the filer's store
ROOM_BYTES = 1024 * 1024  # with less of it on the disk, failing to write is no fault of the store


def command(plan: Plan) -> Command:
    home = plan.folder("s3")
    keys = {"accessKey": plan.passwords["s3_access"], "secretKey": plan.passwords["s3_secret"]}
    identity = {"name": "atelier", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    config = home / "identities.json"
    config.unlink(missing_ok=True)
    with open(os.open(config, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        json.dump({"identities": [identity]}, file)
    port = plan.ports
    options = {
        "dir": plan.folder("s3/data"),
        "ip": HOST,
        "ip.bind": HOST,
        "master.port": port["s3_master"],
        "master.port.grpc": port["s3_master_grpc"],
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 1024,
        # With the default of 10 s a second start waits 16 to 20 s for its only master to elect itself; so it is 2.5 s.
        "master.electionTimeout": "300ms",
        "master.heartbeatInterval": "100ms",
        "volume.port": port["s3_volume"],
        "volume.port.grpc": port["s3_volume_grpc"],
        "volume.max": 100,
        # No reserve: it would refuse writes for up to a minute after a full disk has room again.
        "volume.minFreeSpace": "0",
        "volume.preStopSeconds": 0,
        "filer": "true",
        "filer.port": port["s3_filer"],
        "filer.port.grpc": port["s3_filer_grpc"],
        "filer.disableDirListing": "true",
        "filer.exposeDirectoryData": "false",
        "s3": "true",
        "s3.config": config,
        "s3.port": port["s3"],
        "s3.port.grpc": port["s3_grpc"],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.iam": "false",
        "s3.autoCreateBucket": "false",
        "s3.allowedOrigins": ",".join(plan.origins()),
    }
    program = Path(sysconfig.get_path("scripts")) / "weed"
    # GOGC trades a little time for memory. No GOMEMLIMIT: near it the collector takes 14 % of a core at rest.
    return Command(
        [str(program), "server", *(f"-{key}={value}" for key, value in options.items())],
        {"GOGC": "40"},
    )


def ready(plan: Plan) -> bool:
    """The gateway answers (403 to a stranger), and the master finds a volume to write to."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{plan.ports['s3_master']}/dir/assign", timeout=2) as answer:
            assigned = "fid" in json.load(answer)
        with urllib.request.urlopen(f"http://{HOST}:{plan.ports['s3']}/", timeout=2):
            return assigned
    except urllib.error.HTTPError as answer:
        return answer.code == 403 and answer.url.endswith(f":{plan.ports['s3']}/")
    except (OSError, ValueError):
        return False


def broken(plan: Plan) -> bool:
    """Whether the filer still refuses to write though the disk has room again: after one failed write it always does.

    Its log says so at each try; the proof is to try, which leaves a trace in the store and so is not done for nothing.
    Source: goleveldb, whose journal keeps its first error. The filer has several, and spreads folders over them.
    """
    recent = children.last_lines(plan.var / "logs" / "s3.log", count=50)
    if not any("filerldb2" in line and "no space left on device" in line for line in recent):
        return False
    if shutil.disk_usage(plan.var).free < ROOM_BYTES:
        return False
    return any(_refuses(plan, f"/written/{folder}/now") for folder in _one_for_each_journal())


def _refuses(plan: Plan, path: str) -> bool:
    filer = http.client.HTTPConnection(HOST, plan.ports["s3_filer"], timeout=5)
    try:
        filer.request("PUT", path)
        return filer.getresponse().status >= 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        filer.close()


@cache
def _one_for_each_journal() -> list[str]:
    """Names of folders under /written, each of which the filer puts in another journal: by the last byte of its MD5."""
    found: dict[int, str] = {}
    for number in itertools.count():
        digest = hashlib.md5(f"/written/{number}".encode(), usedforsecurity=False).digest()
        found.setdefault(digest[-1] % JOURNALS, str(number))
        if len(found) == JOURNALS:
            return list(found.values())
    raise AssertionError("numbers have no end")
