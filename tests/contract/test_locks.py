"""Lock files hold versions and hashes and nothing else: no address, no option, no name of any index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
NAME = r"[a-z0-9]+(?:-[a-z0-9]+)*"
EXTRAS = r"(?:\[[a-z0-9,-]+\])?"  # an installer that goes by hashes takes `a[b]` only where `a[b]` is pinned
LINE = re.compile(
    rf"{NAME}{EXTRAS}==[0-9][0-9a-z.+!]*(?: ; [^\\@/]+)? \\"  # a version, under a condition maybe
    r"|    --hash=sha256:[0-9a-f]{64}(?: \\)?"
    r"|    # via(?: .*)?"
    r"|    #   .*"
    r"|# .*"
    r"|"
)
FORBIDDEN = re.compile(
    r"://|@|--(?!hash=)\w|\b(?:index|find-links|trusted|extra)-|localhost|(?<!==)\b\d+\.\d+\.\d+\.\d+(?!\S)|\bfile:(?=\S)|\.(?:org|com|net|io|dev)\b",
    re.IGNORECASE,
)


def wrong_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not LINE.fullmatch(line) or FORBIDDEN.search(line)]


def pinned(text: str) -> dict[str, int]:
    """How many hashes each pinned package has."""
    counts: dict[str, int] = {}
    name = ""
    for line in text.splitlines():
        if found := re.match(rf"({NAME}){EXTRAS}==", line):
            name = found[1]
            counts[name] = 0
        elif "--hash=" in line:
            counts[name] += 1
    return counts


def test_there_is_a_lock_for_users_and_one_for_developers() -> None:
    """Both environments can be made again exactly."""
    assert ["dev.txt", "runtime.txt"] == [path.name for path in LOCKS]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_names_no_address(path: Path) -> None:
    """Whoever installs chooses where from; the hashes alone say what may be installed."""
    assert [] == wrong_lines(path.read_text())


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_pinned_package_has_its_hashes(path: Path) -> None:
    """No package is installed unseen."""
    counts = pinned(path.read_text())
    assert counts
    assert [] == [name for name, hashes in counts.items() if not hashes]


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://packages.example/simple",
        "--extra-index-url=mirror",
        "--trusted-host packages.example",
        "--find-links wheels",
        "-i mirror",
        "acme @ https://packages.example/acme.whl",
        "acme @ file:acme.whl",
        "-e .",
        "acme>=1",
        "acme==1.0",
        "    --hash=md5:d41d8cd98f00b204e9800998ecf8427e",
        "    # from packages.example.com",
        "# made with --index-url mirror",
    ],
)
def test_an_address_would_be_seen(line: str) -> None:
    """The check above is not blind to any way of naming one."""
    assert [line] == wrong_lines(f"{line}\n")


def test_what_users_install_is_what_developers_test() -> None:
    """The smaller lock is a part of the larger one, version by version, and holds every declared dependency."""

    def versions(name: str) -> dict[str, str]:
        text = (ROOT / "requirements" / name).read_text()
        return dict(re.findall(rf"^({NAME})==(\S+)", text, re.MULTILINE))

    runtime, dev = versions("runtime.txt"), versions("dev.txt")
    assert {} == {name: version for name, version in runtime.items() if dev.get(name) != version}
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[\[<>=~!; ]", one)[0].lower().replace("_", "-") for one in declared}
    assert set() == names - runtime.keys()


def test_no_other_file_of_requirements_names_an_address() -> None:
    """What the locks are made from is as clean as the locks."""
    for path in (ROOT / "requirements").iterdir():
        assert "://" not in path.read_text(), path.name
        assert not re.search(r"^\s*-", path.read_text(), re.MULTILINE) or path.suffix == ".txt", path.name
