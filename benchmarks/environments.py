"""The peers' environments: one each, made from its locked requirements, made anew when those change."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.contestants import CACHE, NotMeasured

PEERS: Final = Path(__file__).resolve().parent / "peers"
PATIENCE_S: Final = 900


def prepare(environment: str) -> None:
    """Make the environment unless it is there already.

    Raises:
        NotMeasured: its packages cannot be installed.
    """
    folder = CACHE / environment
    requirements = PEERS / f"{environment}.txt"
    stamp = f"{hashlib.sha256(requirements.read_bytes()).hexdigest()} {sys.version}"
    ready = folder / ".ready"
    if ready.is_file() and ready.read_text() == stamp:
        return
    print(f"making the environment of {environment} …", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)], environment)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
    _run([*pip, "--requirement", str(requirements)], environment)
    ready.write_text(stamp)


def locked(environment: str, package: str) -> str:
    """The version of a package in the lock an environment is made from."""
    requirements = (PEERS / f"{environment}.txt").read_text()
    return next(line.split()[0].split("==")[1] for line in requirements.splitlines() if line.startswith(f"{package}=="))


def _run(command: list[str], environment: str) -> None:
    # with this one set, packages are left uncompiled and the first sample would pay for it
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    try:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMeasured(f"{environment} cannot be installed: {error}") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise NotMeasured(f"{environment} cannot be installed: {lines[-1] if lines else done.returncode}")
