"""The direction of imports is held by contracts in pyproject.toml; here each of them is broken once, to prove that it holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}


@dataclass(frozen=True, slots=True)
class Poke:
    """One forbidden import: who would do it, and of what."""

    contract: str
    importer: str
    imported: str


POKES = [
    Poke("rooms", "canonical", "trackrecord.json_schema"),
    Poke("rooms", "workflow", "trackrecord.agent"),
    Poke("rooms", "agent", "trackrecord.record"),
    Poke("rooms", "record", "trackrecord.admission"),
    Poke("rooms", "memory", "trackrecord.models"),
    Poke("rooms", "models", "trackrecord.plugins"),
    Poke("rooms", "plugins", "trackrecord.models"),
    Poke("rooms", "context", "trackrecord.runner"),
    Poke("rooms", "engines", "trackrecord.runner"),
    Poke("rooms", "runner", "trackrecord.wiring"),
    Poke("rooms", "unplaced", "trackrecord.errors"),
    Poke("siblings", "engines", "trackrecord.store"),
    Poke("siblings", "engines.orchestrator", "trackrecord.store.protocol"),
    Poke("siblings", "store", "trackrecord.engines"),
    Poke("engines", "engines.agentkit", "trackrecord.engines.orchestrator"),
    Poke("engines", "engines.orchestrator", "trackrecord.engines.agentkit"),
    *(Poke("pure", source.removeprefix("trackrecord."), "asyncio") for source in CONTRACTS["pure"]["source_modules"]),
    *(Poke("pure", "workflow", module) for module in ("fastapi", "httpx", "psycopg", "sqlite3")),
    *(
        Poke("database", room, module)
        for room, module in zip(
            ("runner", "engines", "context", "models", "plugins", "memory"),
            CONTRACTS["database"]["protected_modules"] * 2,
            strict=True,
        )
    ),
]


def copied_source(target: Path) -> Path:
    return shutil.copytree(ROOT / "src", target / "src", ignore=shutil.ignore_patterns("__pycache__"))


def insert(source: Path, poke: Poke) -> None:
    place = source.joinpath("trackrecord", *poke.importer.split("."))
    module = place / "poke.py" if place.is_dir() else place.with_suffix(".py")
    with module.open("a") as file:
        file.write(f"\nimport {poke.imported}\n")


def broken_contracts(source: Path) -> set[str]:
    """Run the linter as `make check` does, on the tree in `source`; the ids of the contracts it reports as broken."""
    linted = subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            "--config",
            ROOT / "pyproject.toml",
            "--no-cache",
            "--no-logo",
        ],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(source), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = {
        identity: verdict
        for identity, contract in CONTRACTS.items()
        for verdict in ("KEPT", "BROKEN")
        if f"\n{contract['name']} {verdict}\n" in linted.stdout
    }
    assert CONTRACTS.keys() == verdicts.keys(), linted.stdout + linted.stderr
    broken = {identity for identity, verdict in verdicts.items() if verdict == "BROKEN"}
    assert (1 if broken else 0) == linted.returncode, linted.stdout + linted.stderr
    return broken


def test_the_tree_as_it_is_keeps_every_contract(tmp_path: Path) -> None:
    """No room imports what it must not."""
    assert set() == broken_contracts(copied_source(tmp_path))


def test_every_contract_is_poked() -> None:
    """A contract nobody has seen break may hold nothing."""
    assert CONTRACTS.keys() == {poke.contract for poke in POKES}


@pytest.mark.parametrize("poke", POKES, ids=lambda poke: f"{poke.contract}: {poke.importer} imports {poke.imported}")
def test_a_forbidden_import_breaks_exactly_its_contract(poke: Poke, tmp_path: Path) -> None:
    """One forbidden line is reported, under the name of the rule it breaks and no other."""
    source = copied_source(tmp_path)
    insert(source, poke)

    assert {poke.contract} == broken_contracts(source)


def packages_loaded_by(statement: str) -> set[str]:
    """Packages outside the standard library that a fresh interpreter has loaded after `statement`, and not before."""
    script = (
        f"import json, sys; before = set(sys.modules); {statement}; "
        "loaded = {name.partition('.')[0] for name in sys.modules.keys() - before}; "
        "print(json.dumps(sorted(loaded - sys.stdlib_module_names)))"
    )
    started = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(started.stdout))


def test_importing_the_package_loads_nothing_else() -> None:
    """`import trackrecord` is cheap: no provider, no database, no price table, no web service."""
    loaded = packages_loaded_by("import trackrecord")

    assert set() == loaded & {"fastapi", "genai_prices", "pydantic_ai", "sqlalchemy"}
    assert {"trackrecord"} == loaded


def test_a_load_would_be_seen() -> None:
    """The probe above is not blind: it reports a heavy package that is really imported."""
    assert {"genai_prices", "trackrecord"} <= packages_loaded_by("import trackrecord, genai_prices")
