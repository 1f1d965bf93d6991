"""The direction of imports is held by contracts in pyproject.toml; here each is broken once, to prove that it holds."""

from __future__ import annotations

import os
import re
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
    """One forbidden import: who would do it, of what, and which other contract that breaks along the way."""

    contract: str
    importer: str
    imported: str
    along_the_way: str | None = None


POKES = [
    Poke("rooms", "canonical", "trackrecord.json_schema"),
    Poke("rooms", "workflow", "trackrecord.agent"),
    Poke("rooms", "agent", "trackrecord.record"),
    Poke("rooms", "record", "trackrecord.admission"),
    Poke("rooms", "memory", "trackrecord.models"),
    Poke("rooms", "models", "trackrecord.plugins"),
    Poke("rooms", "plugins", "trackrecord.models"),
    Poke("rooms", "context", "trackrecord.runner"),
    Poke("rooms", "engines", "trackrecord.runner", "siblings"),  # the runner knows the store
    Poke("rooms", "store", "trackrecord.runner"),
    Poke("rooms", "runner", "trackrecord.wiring"),
    Poke("rooms", "handles", "trackrecord.runner"),
    Poke("rooms", "reviving", "trackrecord.runner"),
    Poke("rooms", "redoing", "trackrecord.runner"),
    Poke("rooms", "causes", "trackrecord.runner"),
    Poke("rooms", "children", "trackrecord.runner"),
    Poke("rooms", "roster", "trackrecord.runner"),
    Poke("rooms", "errors", "trackrecord.places"),
    Poke("rooms", "places", "trackrecord.config"),
    Poke("rooms", "config", "trackrecord.canonical"),
    Poke("rooms", "clock", "trackrecord.tenancy"),
    Poke("rooms", "sealed", "trackrecord.clock"),
    Poke("rooms", "undisturbed", "trackrecord.clock"),
    Poke("rooms", "tenancy", "trackrecord.canonical"),
    Poke("rooms", "failpoints", "trackrecord.clock"),
    Poke("rooms", "examples", "trackrecord.agent"),
    Poke("rooms", "json_schema", "trackrecord.workflow"),
    Poke("rooms", "admission", "trackrecord.memory"),
    Poke("rooms", "dispatch", "trackrecord.parity"),
    Poke("rooms", "parity", "trackrecord.verify"),
    Poke("rooms", "verify", "trackrecord.wiring"),
    Poke("rooms", "wiring", "trackrecord.sync"),
    Poke("rooms", "sync", "trackrecord.cli"),
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


def test_every_room_is_poked() -> None:
    """Every room that something stands above has been seen to be kept from it."""
    layers = [re.findall(r"\w+", layer) for layer in CONTRACTS["rooms"]["layers"]]
    below = {room for layer in layers[1:] for room in layer if list(ROOT.glob(f"src/trackrecord/{room}*"))}
    top = {"cli"}  # only `python -m trackrecord` stands above it
    assert below - top == {poke.importer for poke in POKES if poke.contract == "rooms"} - {"unplaced"}


@pytest.mark.parametrize("poke", POKES, ids=lambda poke: f"{poke.contract}: {poke.importer} imports {poke.imported}")
def test_a_forbidden_import_breaks_exactly_its_contract(poke: Poke, tmp_path: Path) -> None:
    """One forbidden line is reported, under the name of the rule it breaks and no other."""
    source = copied_source(tmp_path)
    insert(source, poke)

    assert {poke.contract, poke.along_the_way} - {None} == broken_contracts(source)
