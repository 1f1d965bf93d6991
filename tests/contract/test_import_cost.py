"""What an import loads is an allow-list: nobody pays for a room they do not enter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import trackrecord

HEAVY = {"fastapi", "genai_prices", "pydantic_ai", "sqlalchemy"}
CHECKED = {"jsonschema_rs", "orjson", "trackrecord"}
DEFINED = CHECKED | {"yaml"}
SETTINGS = {"annotated_types", "dotenv", "pydantic", "pydantic_core", "pydantic_settings", "typing_inspection"}
RUNNING = DEFINED | SETTINGS | {"pysqlite3", "re2", "typing_extensions"}

# what a statement may load at most, besides the standard library
ALLOWED = {
    "import trackrecord": {"trackrecord"},
    "import trackrecord.cli": {"trackrecord"},
    "from trackrecord import TrackrecordError": {"trackrecord"},
    "from trackrecord import Record": {"orjson", "trackrecord"},
    "from trackrecord import AgentExecutionData": {"orjson", "trackrecord"},
    "from trackrecord import FunctionPlugin": CHECKED,
    "from trackrecord import Agent": DEFINED,
    "from trackrecord import Run": DEFINED,
    "from trackrecord import Trackrecord": RUNNING,
    "from trackrecord import SyncTrackrecord": RUNNING,
    "from trackrecord.record import fold, rows, closing": {"orjson", "trackrecord"},
    "import trackrecord.admission": DEFINED,
}
COMPANIONS = {"_cython", "cython_runtime", "_sysconfigdata"}  # modules that compiled packages bring along


def packages_loaded_by(statement: str) -> set[str]:
    """Packages outside the standard library that a fresh interpreter has loaded after `statement`, and not before."""
    script = (
        f"import json, sys; before = set(sys.modules); {statement}; "
        "loaded = {name.partition('.')[0] for name in sys.modules.keys() - before}; "
        "print(json.dumps(sorted(loaded - sys.stdlib_module_names)))"
    )
    started = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name for name in json.loads(started.stdout) if not name.startswith(tuple(COMPANIONS))}


def test_importing_the_package_loads_nothing_else() -> None:
    """`import trackrecord` is cheap: not one package besides its own, and of its own the front door alone."""
    assert {"trackrecord"} == packages_loaded_by("import trackrecord")
    script = "import sys, trackrecord; print(sorted(name for name in sys.modules if name.startswith('trackrecord')))"
    started = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "['trackrecord']" == started.stdout.strip()


@pytest.mark.parametrize(("statement", "allowed"), ALLOWED.items(), ids=ALLOWED)
def test_an_import_loads_what_is_on_its_list(statement: str, allowed: set[str]) -> None:
    """A new package in the path of an import is a decision, made here; the heavy ones are never in it."""
    loaded = packages_loaded_by(statement)
    assert set() == loaded - allowed
    assert set() == loaded & HEAVY


def test_every_public_name_is_on_the_list() -> None:
    """A name added to the package says what loading it costs."""
    listed = {name for statement in ALLOWED for name in statement.split() if name in trackrecord.__all__}
    assert set(trackrecord.__all__) == listed


def test_a_load_would_be_seen() -> None:
    """The probe above is not blind: it reports a heavy package that is really imported."""
    assert {"genai_prices", "trackrecord"} <= packages_loaded_by("import trackrecord, genai_prices")
