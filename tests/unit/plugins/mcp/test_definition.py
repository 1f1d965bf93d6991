"""The operator's file: what it may say, and every mistake in it at once, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from trackrecord.errors import BadSettings
from trackrecord.plugins.mcp.definition import Limits, Secret, read_servers

GOOD = """
servers:
  shop:
    command: [python3, shop.py, --fast]
    env: {SHOP: books, LEVEL: "3"}
    secrets: {SHOP_TOKEN: shop_token}
    folder: sub
    limits: {memory_mb: 256}
    timeout_s: 2.5
    tools: {deny: [pay]}
  crm:
    url: https://mcp.example.com/mcp
    headers: {X-Team: sales}
    secrets: {Authorization: Bearer crm_token}
    allow: [10.1.0.0/16]
    recheck_s: 60
    tools: {allow: [find]}
"""

BAD = """
servers:
  Shop: {command: [x]}
  http: {command: [x]}
  both: {command: [x], url: "https://a.example"}
  none: {timeout: 3}
  one:
    command: python3 shop.py
    env: {MY_TOKEN: abcdefghijk, LEVEL: 3}
    secrets: {A: "a b c", LEVEL: k}
    limits: {memory: 1}
    allow: [10.0.0.0/8]
  two:
    url: http://user:word@mcp.example.com/
    headers: {Authorization: Bearer abc, Host: a, X: "a\\nb"}
    allow: [8.8.8.8/32]
    secrets: {X-Token: k}
  three: {url: "ftp://a.example"}
"""


def test_what_a_file_may_say(tmp_path: Path) -> None:
    """Both kinds of servers, with everything they take; folders are relative to the file."""
    file = tmp_path / "mcp.yaml"
    file.write_text(GOOD)
    shop, crm = read_servers(file)
    assert (("python3", "shop.py", "--fast"), {"SHOP": "books", "LEVEL": "3"}) == (shop.command, shop.env)
    assert (tmp_path / "sub", Limits(memory_mb=256), 2.5) == (shop.folder, shop.limits, shop.timeout_s)
    assert (("shop_token",), [True, False]) == (shop.handles, [shop.takes("find"), shop.takes("pay")])
    assert ("https://mcp.example.com/mcp", {"X-Team": "sales"}, 60.0) == (crm.url, crm.headers, crm.recheck_s)
    assert "Bearer t" == crm.secrets["Authorization"].value({"crm_token": "t"})
    assert [True, False] == [crm.takes("find"), crm.takes("pay")]
    assert {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": 1_024, "RLIMIT_FSIZE": 1 << 30, "RLIMIT_AS": 256 << 20} == (
        shop.limits.as_rlimits()
    )


@pytest.mark.parametrize(("line", "path", "words"), [
    (3, "servers.Shop", "is no name of a plugin"),
    (4, "servers.http", "is a built-in plugin"),
    (5, "servers.both", "has both a command and a url"),
    (6, "servers.none", "has neither a command nor a url"),
    (8, "servers.one.command", "must be a list of texts"),
    (9, "servers.one.env.MY_TOKEN", "is a secret by its name"),
    (9, "servers.one.env.LEVEL", "must be text"),
    (10, "servers.one.secrets.A", "is no handle of a secret"),
    (11, "servers.one.limits.memory", "has no field 'memory'. Did you mean 'memory_mb'?"),
    (12, "servers.one.allow", "has no field 'allow'. That is for servers with a `url`."),
    (14, "servers.two.url", "holds a user name or a password"),
    (15, "servers.two.headers.Authorization", "is a secret by its name"),
    (15, "servers.two.headers.Host", "is written for each request"),
    (15, "servers.two.headers.X", "must be one line of plain text"),
    (16, "servers.two.allow[0]", "is not within the loopback, private or shared ranges"),
    (18, "servers.three.url", "is no http or https URL"),
])  # fmt: skip
def test_every_mistake_is_told_at_once(tmp_path: Path, line: int, path: str, words: str) -> None:
    """With its line and place, whatever else is wrong."""
    file = tmp_path / "mcp.yaml"
    file.write_text(BAD)
    with pytest.raises(BadSettings, match="16 problem") as wrong:
        read_servers(file)
    told = {(one.line, one.path): str(one) for one in wrong.value.problems}
    assert words in told[line, path]


@pytest.mark.parametrize(("text", "words"), [
    ("", "the file is empty"),
    ("servers: [a]", "must be a mapping"),
    ("[a]", "the file must be a mapping"),
    ("servers:\n  a: 3", "must be a mapping"),
    ("servers:\n  a: {url: 'http://b.example/', secrets: {X: k}}", "secrets would go out over http"),
    ("servers:\n  a: {command: [x], env: {A: b}, secrets: {A: k}}", "is in `env` as well"),
    ("servers:\n  a: {url: 'https://b.example/', headers: {a: b}, secrets: {A: k}}", "is in `headers` as well"),
    ("servers:\n\ta: 1", "a tab indents this line"),
])  # fmt: skip
def test_other_mistakes(tmp_path: Path, text: str, words: str) -> None:
    """Each is told in words of its own."""
    file = tmp_path / "mcp.yaml"
    file.write_text(text)
    with pytest.raises(BadSettings) as wrong:
        read_servers(file)
    assert words in "".join(str(one) for one in wrong.value.problems)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It was named, so it must be there."""
    with pytest.raises(BadSettings, match="cannot be read: No such file"):
        read_servers(tmp_path / "mcp.yaml")


def test_a_secret_says_where_it_goes() -> None:
    """Surrounding space of a value is not part of it."""
    assert "abc" == Secret(handle="h").value({"h": " abc\n"})
