"""kill -9 of each process, and of all at once, in the middle of the story: it ends as if nothing had happened.

The moment of each kill is drawn from a seed that a failure shows; ATELIER_FAULT_SEED=… draws the same again.
"""

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from backend.embedded import children
from backend.embedded import plan as plans
from backend.embedded.parts import PARTS
from backend.embedded.plan import ROOT
from tests.conftest import CLEAN_ENVIRONMENT
from tests.smoke.story import Story

SEED = int(os.environ.get("ATELIER_FAULT_SEED") or secrets.randbelow(10**6))
PATIENCE_S = 60.0  # of a browser that comes back by itself; on an idle machine a part is back within some seconds
STROKES = 5
# The acts of the story's middle, each with the seconds within which it is still under way.
ACTS = {**{f"stroke-{number}": 0.1 for number in range(STROKES)}, "upload": 0.5, "enhance": 1.5, "suggest": 0.1}
# In which act to kill what works only there; all others are killed in any.
AT = {
    "s3": ["upload", "enhance"],
    "triton": ["enhance"],
    "worker": ["enhance"],
    "relay": ["upload", "enhance", "suggest"],
    "learner": ["suggest"],
}


class OwnStack:
    """A supervisor in a process of its own, so that it can be killed too."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.port = plans.free_port(taken=set())
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        """As `make run` does; returns when it is up."""
        environment = {**CLEAN_ENVIRONMENT, "ATELIER_VAR": str(self.var), "ATELIER_PORT": str(self.port)}
        out = open(self.var / "supervisor.out", "a+")  # noqa: SIM115 - it is the supervisor's for as long as that lives
        began = out.tell()
        self.supervisor = subprocess.Popen(
            [sys.executable, "-m", "backend.embedded", "run"], env=environment, cwd=ROOT, stdout=out, stderr=out
        )
        end = time.monotonic() + 120
        while True:
            out.seek(began)
            text = out.read()
            if "Ctrl-C" in text:
                break
            assert self.supervisor.poll() is None, text
            assert time.monotonic() < end, text
            time.sleep(0.1)
        out.close()
        lines = [line.split() for line in text.splitlines() if "sign in as" in line]
        self.links: Mapping[str, str] = {words[3]: words[4] for words in lines}

    def kill(self, name: str) -> None:
        """kill -9 of one part; of `supervisor`; or of `all`, the supervisor first, and a new start."""
        pids = {part: process.pid for part, process, _ in children.running(self.var)}
        if name not in ("all", "supervisor"):
            return os.kill(pids[name], signal.SIGKILL)
        self.supervisor.kill()
        self.supervisor.wait()
        if name == "all":
            for pid in pids.values():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue  # it died with its supervisor already
        self.start()

    def stop(self) -> float:
        """Ctrl-C; the seconds until all of it is gone."""
        began = time.monotonic()
        processes = [process for _, process, _ in children.running(self.var)]
        self.supervisor.send_signal(signal.SIGINT)
        self.supervisor.wait(30)
        assert not [process for process in processes if psutil.pid_exists(process.pid)]
        return time.monotonic() - began


@pytest.fixture(scope="module")
def own_stack() -> Iterator[OwnStack]:
    with tempfile.TemporaryDirectory(prefix="atelier-faults-", ignore_cleanup_errors=True) as folder:
        var = Path(folder)
        var.chmod(0o755)  # PostgreSQL walks through it as another user
        stack = OwnStack(var)
        yield stack
        assert stack.stop() < 10


def do(story: Story, act: str) -> None:
    name, _, number = act.partition("-")
    if number:
        story.put_and_share(act, {"type": "freedraw", "x": int(number)})
    else:
        getattr(story, name)()


def assert_all_is_there(story: Story) -> None:
    """Every acknowledged stroke, the photo and one result, each once; the job is done once in effect."""
    fresh = story.newcomer()
    strokes = {f"stroke-{number}": {"type": "freedraw", "x": number} for number in range(STROKES)}
    assert fresh.until(lambda elements: strokes.items() <= elements.items())
    result = story.finished["output_asset_id"]
    assert [element["fileId"] for element in fresh.elements().values() if element["type"] == "image"].count(result) == 1
    assets = story.ada.get(f"/projects/{story.project}/assets")["items"]
    assert sorted(asset["id"] for asset in assets) == sorted([story.asset, result])
    jobs = story.ada.get(f"/projects/{story.project}/jobs")["items"]
    assert [(job["state"], job["output_asset_id"]) for job in jobs] == [("succeeded", result)]
    assert story.holds_its_photo()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", [*(part.name for part in PARTS), "supervisor", "all"])
def test_the_story_survives_a_kill(own_stack: OwnStack, name: str) -> None:
    """Nothing that was acknowledged is lost, and nothing is done twice."""
    draw = random.Random(f"{SEED}-{name}")
    at = draw.choice(AT.get(name, list(ACTS)))
    delay_s = draw.uniform(0.0, ACTS[at])
    print(f"ATELIER_FAULT_SEED={SEED}: {name} is killed {delay_s:.2f} s into {at}")
    story = Story(own_stack.url, own_stack.links, patience_s=PATIENCE_S)
    fault = threading.Timer(delay_s, own_stack.kill, [name])
    try:
        story.sign_in()
        story.co_edit()
        for act in ACTS:
            if act == at:
                fault.start()
            do(story, act)
        fault.join()
        story.put_and_share("after", {"type": "text", "text": json.dumps({"killed": name})})
        assert_all_is_there(story)
    finally:
        fault.cancel()
        story.close()


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_second_start_is_quick(own_stack: OwnStack, record_property: Callable[[str, object], None]) -> None:
    """Stopped by Ctrl-C within 10 s, up again within 30 s, at the same address with the same data."""
    stopped_s = own_stack.stop()
    began = time.monotonic()
    own_stack.start()
    started_s = time.monotonic() - began
    record_property("started_s", started_s)
    print(f"stopped in {stopped_s:.1f} s, up again in {started_s:.1f} s")
    assert stopped_s < 10
    assert started_s < 30
