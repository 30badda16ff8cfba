"""The command line of the embedded stack: `run` and `status`."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from environs import Env

from backend.embedded import children, plan
from backend.embedded.parts import PARTS, Part
from backend.embedded.plan import ROOT, StackError
from backend.embedded.progress import Progress
from backend.embedded.supervisor import Supervisor


def run(*, without: list[str], port: int, parts: Sequence[Part] = PARTS) -> int:
    """Start the stack and keep it until Ctrl-C or SIGTERM; the exit code."""
    var = _var()
    progress = Progress()
    with plan.held(var):
        for name in children.clear_left_over(var, stops={part.name: part.dies_by for part in parts}):
            progress.note(f"cleared {name}, left over from a run that was killed")
        plan.replace_taken_ports(var)
        found = plan.load(
            var, web_port=port or None, demo=Env().bool("ATELIER_DEMO", True), url=os.environ.get("ATELIER_URL", "")
        )
        if "web" not in without and not plan.is_free(found.ports["web"]):
            raise StackError(
                f"Port {found.ports['web']} on 127.0.0.1 is in use by another program. "
                "Stop it, or choose another: ATELIER_PORT=8001 make run"
            )
        found.write_settings()
        children.start_logs_anew(found)
        return _keep(Supervisor(found, without=without, progress=progress, parts=parts))


def _keep(supervisor: Supervisor) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.ask_to_stop())
    say = supervisor.progress.say
    try:
        supervisor.start()
        say(f"\nAtelier is up after {supervisor.progress.elapsed_s():.1f} s: {supervisor.plan.url}")
        for name, link in supervisor.links.items():
            say(f"  sign in as {name:<5}{link}")
        say("  Ctrl-C stops all of it.\n")
        supervisor.watch()
    finally:
        say("Stopping …")
        supervisor.stop()
    return 0


def status() -> int:
    """Print each part with its pid, memory (with all that it started) and port; 1 when none runs."""
    total = 0
    print(f"{'part':<12}{'pid':>8}{'PSS MB':>9}  port")
    for name, process, port in children.running(_var()):
        pss = children.pss_bytes(process)
        total += pss
        print(f"{name:<12}{process.pid:>8}{pss / 1e6:>9.1f}  {port or ''}")
    print(f"{'all':<12}{'':>8}{total / 1e6:>9.1f}")
    return 0 if total else 1


def _var() -> Path:
    return Path(os.environ.get("ATELIER_VAR") or ROOT / "var").resolve()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m backend.embedded", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="start all parts and keep them alive until Ctrl-C")
    runs.add_argument("--without", nargs="*", default=[], metavar="PART", help="parts to leave out")
    commands.add_parser("status", help="show each part with pid, memory and port")
    options = parser.parse_args()
    Env().read_env(ROOT / ".env", recurse=False)
    try:
        if options.command == "status":
            return status()
        return run(without=options.without, port=int(os.environ.get("ATELIER_PORT") or 8000))
    except StackError as exc:
        print(f"\n{exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
