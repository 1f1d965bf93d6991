"""Rules of loading plugins: one door for all, lazily, and a broken one alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trackrecord.plugins.entry_points import BUILT_IN, PluginSource, installed, load
from trackrecord.plugins.registry import Registry

GOOD = """
from trackrecord.plugins.functions import FunctionPlugin
plugin = FunctionPlugin("acme_good")
@plugin.action(effect="read")
async def ping() -> str:
    '''Answer.'''
    return "pong"
"""
CONFIGURED = """
from trackrecord.plugins.functions import FunctionPlugin
def plugin(options):
    return FunctionPlugin("acme_configured", description=str(options.get("greeting")))
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("acme_")]:
        del sys.modules[name]


def install(site: Path, distribution: str, source: str, points: str) -> None:
    """Install a package of one module, named like the distribution."""
    module = distribution.replace("-", "_")
    (site / f"{module}.py").write_text(source)
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[trackrecord.plugins]\n{points}\n")


async def test_an_installed_plugin_is_found_loaded_and_called(site: Path) -> None:
    """A package's plugin is used like a built-in one."""
    install(site, "acme-good", GOOD, "acme_good = acme_good:plugin")
    loaded = load(["acme_good", "text"])
    assert ({}, ["acme_good", "text"]) == (loaded.errors, [plugin.name for plugin in loaded.plugins])
    assert Registry(loaded.plugins).find("acme_good", "ping") is not None


def test_a_function_gets_the_operators_options(site: Path) -> None:
    """An entry point that is a function makes its plugin from what the operator set for it."""
    install(site, "acme-configured", CONFIGURED, "acme_configured = acme_configured:plugin")
    loaded = load(["acme_configured"], {"acme_configured": {"greeting": "hello"}})
    assert ["hello"] == [plugin.description for plugin in loaded.plugins]


@pytest.mark.parametrize(
    ("source", "point", "words"),
    [
        ("raise RuntimeError('boom')", "acme_bad:plugin", "RuntimeError: boom"),
        ("import acme_missing_dependency", "acme_bad:plugin", "acme_missing_dependency"),
        ("raise SystemExit(3)", "acme_bad:plugin", "SystemExit: 3"),
        ("def broken(:", "acme_bad:plugin", "SyntaxError"),
        ("x = 1", "acme_bad:plugin", "AttributeError"),
        ("plugin = 7", "acme_bad:plugin", "is a int, not a plugin"),
        ("def plugin(options): return None", "acme_bad:plugin", "is a NoneType, not a plugin"),
        ("def plugin(): return None", "acme_bad:plugin", "TypeError"),
        (GOOD, "acme_bad:plugin", "calls itself 'acme_good'"),
        (
            "from trackrecord.errors import PluginError\nraise PluginError('no key', cure='Set a key.')",
            "acme_bad:plugin",
            "no key",
        ),
    ],
)
def test_a_broken_plugin_is_named_and_leaves_the_others_usable(site: Path, source: str, point: str, words: str) -> None:
    """The error names plugin, package and reason, and every other plugin loads."""
    install(site, "acme-bad", source, f"acme_bad = {point}")
    loaded = load(["text", "acme_bad", "demo"])
    assert ["text", "demo"] == [plugin.name for plugin in loaded.plugins]
    error = loaded.errors["acme_bad"]
    assert words in error.message
    assert "'acme_bad' of package 'acme-bad'" in error.message
    assert error.cure


def test_a_name_claimed_twice_is_nobodys(site: Path) -> None:
    """Of two packages that claim one name neither is loaded, and both are named."""
    install(site, "acme-good", GOOD, "acme_good = acme_good:plugin")
    install(site, "acme-other", GOOD, "acme_good = acme_other:plugin")
    error = load(["acme_good"]).errors["acme_good"]
    assert "'acme-good'" in error.message
    assert "'acme-other'" in error.message


def test_nobody_takes_a_built_ins_name(site: Path) -> None:
    """A package that claims the name of a built-in plugin is listed as a rival and never loaded in its place."""
    install(site, "acme-good", GOOD, "text = acme_good:plugin\nacme_good = acme_good:plugin")
    loaded = load(["text", "acme_good"])
    assert ["trackrecord.plugins.functions", "trackrecord.plugins.functions"] == [
        type(plugin).__module__ for plugin in loaded.plugins
    ]
    assert "count" in loaded.plugins[0].actions
    assert ["trackrecord", "acme-good"] == [source.distribution for source in installed()["text"]]


def test_an_unknown_name_is_an_error_beside_the_others() -> None:
    """Asking for a plugin that is not installed says so and what is built in."""
    loaded = load(["demo", "nowhere", "demo"])
    assert ["demo"] == [plugin.name for plugin in loaded.plugins]
    assert "'nowhere'" in loaded.errors["nowhere"].message
    assert "demo, files" in loaded.errors["nowhere"].cure


def test_listing_imports_no_plugin(site: Path) -> None:
    """What is installed can be listed without running anybody's code."""
    install(site, "acme-bad", "raise SystemExit(3)", "acme_bad = acme_bad:plugin")
    expected = PluginSource(name="acme_bad", reference="acme_bad:plugin", distribution="acme-bad")
    assert (expected,) == installed()["acme_bad"]
    assert set(BUILT_IN) <= set(installed())
    assert "acme_bad" not in sys.modules


def test_loading_one_built_in_imports_no_other() -> None:
    """A plugin nobody asked for costs nothing at start: neither its module nor a look through installed packages."""
    code = (
        "import sys; from trackrecord.plugins.entry_points import load; load(['demo']); "
        "others = {'trackrecord.plugins.text', 'trackrecord.plugins.files', 're2', 'pydantic'}; "
        "print(sorted(others & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()
