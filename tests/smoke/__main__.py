"""`make smoke`: drives the main story on a scratch stack, or on the one at ATELIER_URL; ends with one JSON line.

At ATELIER_URL it signs in by ATELIER_SMOKE_LINKS (`{"Ada": link, "Bo": link}`), or else by the links that
`manage.py seed_demo` gives under this checkout's settings.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from backend.embedded import plan as plans
from backend.embedded.plan import ROOT, StackError
from backend.embedded.progress import Progress
from backend.embedded.supervisor import Supervisor
from tests.smoke.story import STEPS, Story, StoryFailed


@contextmanager
def scratch_stack() -> Iterator[tuple[str, Mapping[str, str]]]:
    """A stack that lives as long as the block; its address and sign-in links."""
    var = Path(tempfile.mkdtemp(prefix="atelier-smoke-"))
    var.chmod(0o755)  # PostgreSQL walks through it as another user
    progress = Progress(sys.stderr)
    try:
        with plans.held(var):
            plan = plans.load(var, web_port=None, demo=True)
            plan.write_settings()
            os.environ.update(plan.settings())
            supervisor = Supervisor(plan, progress=progress)
            try:
                supervisor.start()
                yield plan.url, supervisor.links
            finally:
                supervisor.stop()
    finally:
        shutil.rmtree(var, ignore_errors=True)


def links_of_a_running_stack() -> Mapping[str, str]:
    given = os.environ.get("ATELIER_SMOKE_LINKS")
    if given:
        return dict(json.loads(given))
    made = subprocess.run([sys.executable, "manage.py", "seed_demo"], cwd=ROOT, capture_output=True, text=True)
    if made.returncode:
        raise StackError(f"No sign-in links: set ATELIER_SMOKE_LINKS.\n{made.stderr}")
    return dict(json.loads(made.stdout.strip().splitlines()[-1]))


def tell(url: str, links: Mapping[str, str]) -> dict[str, object]:
    """Run the steps; the result as it is printed."""
    story = Story(url, links)
    took: dict[str, float] = {}
    try:
        for step in STEPS:
            began = time.monotonic()
            try:
                getattr(story, step)()
            except StoryFailed as exc:
                return {"ok": False, "failed": step, "why": str(exc), "steps": took}
            took[step] = round(time.monotonic() - began, 3)
            print(f"  ✓ {step:<14}{took[step]:6.2f} s", file=sys.stderr, flush=True)
        return {"ok": True, "steps": took}
    finally:
        story.close()


def main() -> int:
    url = os.environ.get("ATELIER_URL", "").rstrip("/")
    try:
        if url:
            result = tell(url, links_of_a_running_stack())
        else:
            with scratch_stack() as (address, links):
                result = tell(address, links)
    except StackError as exc:
        result = {"ok": False, "failed": "start", "why": str(exc), "steps": {}}
    print(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
