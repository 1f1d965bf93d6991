"""The plugin `http`: what it sends, what it gives back, and what each failure says of itself."""

from __future__ import annotations

import asyncio
import gzip
import os
import resource
import subprocess
import sys
import zlib
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from tests.unit.plugins import sites
from tests.unit.plugins.sites import HOSTILE, PUBLIC, Names, Site, Wires, json, pieces, redirect, reply

from trackrecord import clock
from trackrecord.errors import PluginError
from trackrecord.plugins import http
from trackrecord.plugins.outbound.addresses import Policy, read_listed
from trackrecord.plugins.outbound.exchange import Outbound
from trackrecord.plugins.outbound.telling import retry_after_s
from trackrecord.plugins.protocol import EffectClass, Invocation, Plugin, ToolCallFailed
from trackrecord.plugins.registry import Registry

KEY = "run:path"
TOKEN = "tok-4d1c0ffee"


@pytest.fixture
async def site() -> AsyncGenerator[Site]:
    async with sites.serving({"/": json('{"a": [1]}'), **HOSTILE}) as made:
        yield made


def plugin_for(site: Site, **options: Any) -> Plugin:
    """The plugin as the operator's settings make it, with the site opened."""
    return http.plugin({"allow": ["127.0.0.1"], "ports": [site.port], **options})


def quick(site: Site, timeout_s: float = 0.4, most_bytes: int = 10 << 20) -> Plugin:
    """The plugin with less patience."""
    policy = Policy(
        listed=read_listed(["127.0.0.1"]), ports=frozenset({80, site.port}), timeout_s=timeout_s, max_bytes=most_bytes
    )
    return http.over(lambda: Outbound(policy))


async def call(
    plugin: Plugin,
    action: str,
    /,
    effect: EffectClass = "unsafe",
    known: Mapping[str, str] | None = None,
    **arguments: Any,
) -> Any:
    """An action's data, its arguments checked as the context checks them."""
    bound = Registry([plugin]).find("http", action)
    assert bound is not None
    assert () == bound.problems(arguments)
    invocation = Invocation(
        action=action, arguments=arguments, idempotency_key=KEY, effect=effect, credentials=known or {}
    )
    return (await plugin.call(invocation)).data


async def failure_of(plugin: Plugin, action: str, /, **arguments: Any) -> ToolCallFailed:
    """How a call failed."""
    with pytest.raises(ToolCallFailed) as caught:
        await call(plugin, action, **arguments)
    return caught.value


def told(failure: ToolCallFailed) -> tuple[bool, bool, bool, str]:
    """Is transient, was sent, has response, cause."""
    return failure.is_transient, failure.was_sent, failure.has_response, failure.cause


def test_reading_is_read_and_changing_is_unsafe() -> None:
    """Only GET may be repeated freely; the others until the definition says that they honour the key."""
    effects = {name: action.effect for name, action in http.plugin({}).actions.items()}
    assert {"get": "read", "post": "unsafe", "put": "unsafe", "patch": "unsafe", "delete": "unsafe"} == effects


async def test_the_result_is_small(site: Site) -> None:
    """Status, a few headers, the body as JSON, and where it came from; no cookie, no server's name."""
    site.replies["/thing"] = reply(
        '{"a": 1}',
        201,
        [
            ("Content-Type", "application/problem+json; charset=utf-8"),
            ("ETag", '"7"'),
            ("Set-Cookie", "id=1"),
            ("Server", "x"),
        ],
    )
    found = await call(plugin_for(site), "post", url=f"{site.url}/thing", json={})
    expected = {"content-type": "application/problem+json; charset=utf-8", "etag": '"7"'}
    assert {"status": 201, "headers": expected, "json": {"a": 1}, "url": f"{site.url}/thing"} == found


@pytest.mark.parametrize(
    ("kind", "body", "name", "expected"),
    [
        ("application/json", b"[1, 2]", "json", [1, 2]),
        ("application/json", b"\xef\xbb\xbf[1]", "json", [1]),
        ("application/json", b"", "text", ""),
        ("application/json", b"{not json", "text", "{not json"),
        ("application/json", b"[" * 5000, "text", "[" * 5000),
        ("application/json", b"[NaN]", "text", "[NaN]"),
        ("text/html", b"<p>", "text", "<p>"),
        ("text/plain; charset=iso-8859-1", b"caf\xe9", "text", "café"),
        ('text/plain; charset="UTF-8"', "café".encode(), "text", "café"),
        ("text/plain; charset=idna", b"xn--x", "text", "xn--x"),
        ("text/plain", b"caf\xe9", "text", "caf�"),
        ("application/vnd.x+xml", b"<a/>", "text", "<a/>"),
        ("image/png", b"\x89PNG\xff", "bytes", 5),
        ("application/octet-stream", b"plain", "text", "plain"),
        ("", b"\xff\xfe\xfd", "bytes", 3),
        ("", b"plain", "text", "plain"),
    ],
)
async def test_a_body_is_json_or_text_or_so_many_bytes(
    site: Site, kind: str, body: bytes, name: str, expected: object
) -> None:
    """By what it says it is, as far as it is that; nothing is made up of what is neither."""
    site.replies["/x"] = reply(body, headers=[("Content-Type", kind)] if kind else [])
    found = await call(plugin_for(site), "get", url=f"{site.url}/x")
    assert (expected, {"status", "headers", "url", name}) == (found[name], set(found))


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "raw deflate", "identity", "two members"])
async def test_a_packed_body_is_unpacked(site: Site, coding: str) -> None:
    """Gzip of several parts too, and deflate as the standard has it and as some servers do."""
    body = b'{"a": "' + b"x" * 100_000 + b'"}'
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "deflate": zlib.compress(body),
        "raw deflate": raw.compress(body) + raw.flush(),
        "identity": body,
        "two members": gzip.compress(body[:500]) + gzip.compress(body[500:]),
    }.get(coding, gzip.compress(body))
    name = {"raw deflate": "deflate", "two members": "gzip"}.get(coding, coding)
    site.replies["/x"] = reply(packed, headers=[("Content-Encoding", name), ("Content-Type", "application/json")])
    assert {"a": "x" * 100_000} == (await call(plugin_for(site), "get", url=f"{site.url}/x"))["json"]


async def test_what_is_sent(site: Site) -> None:
    """Method, path, query, headers and body are those of the call; the key only when the call is keyed."""
    plugin = plugin_for(site)
    query = {"q": "a b&c", "n": 1, "on": True, "many": ["x", "y"]}
    await call(plugin, "get", url=f"{site.url}/?p=0#there", query=query, headers={"accept": "text/plain"})
    await call(plugin, "post", url=f"{site.url}/", json={"b": [1], "a": None}, effect="keyed")
    await call(plugin, "put", url=f"{site.url}/", text="caffè", effect="unsafe")
    await call(plugin, "patch", url=f"{site.url}/", text="a: 1", headers={"content-type": "text/yaml"})
    await call(plugin, "delete", url=f"{site.url}/")
    get, post, put, patch, delete = site.seen
    assert "/?p=0&q=a+b%26c&n=1&on=true&many=x&many=y" == get.path
    assert ("text/plain", "trackrecord", f"127.0.0.1:{site.port}") == tuple(
        get.headers[name] for name in ("accept", "user-agent", "host")
    )
    assert ("POST", b'{"a":null,"b":[1]}', "application/json", KEY) == (
        post.method, post.body, post.headers["content-type"], post.headers["idempotency-key"],
    )  # fmt: skip
    assert ("PUT", "caffè".encode(), "text/plain; charset=utf-8") == (put.method, put.body, put.headers["content-type"])
    assert ("PATCH", b"a: 1", "text/yaml") == (patch.method, patch.body, patch.headers["content-type"])
    assert ("DELETE", b"", None) == (delete.method, delete.body, delete.headers.get("content-type"))
    assert [] == [one.method for one in (get, put, patch, delete) if "idempotency-key" in one.headers]


@pytest.mark.parametrize(
    ("headers", "complaint"),
    [
        ({"Authorization": "Bearer hunter22"}, "'Authorization' holds a credential; name its handle"),
        ({"cookie": "id=hunter22"}, "'cookie' holds a credential"),
        ({"Proxy-Authorization": "hunter22"}, "holds a credential"),
        ({"Host": "inside"}, "'Host' cannot be set"),
        ({"content-length": "5"}, "cannot be set"),
        ({"Transfer-Encoding": "chunked"}, "cannot be set"),
        ({"Connection": "upgrade"}, "cannot be set"),
        ({"X": "a\r\nAuthorization: hunter22"}, "has a value with a line break"),
        ({"X": "hunter22\x00"}, "has a value with a line break"),
        ({"X": " hunter22"}, "or an edge"),
        ({"X\r\nY": "hunter22"}, "is no name of a header"),
        ({"": "hunter22"}, "is no name of a header"),
        ({"X": "hunter22" * 3000}, "more than 16384 bytes"),
    ],
)
async def test_a_header_that_may_not_be_set_is_refused(site: Site, headers: dict[str, str], complaint: str) -> None:
    """Credentials come by handle, framing is ours, and no value can end its line; none is repeated in the words."""
    failure = await failure_of(plugin_for(site), "get", url=f"{site.url}/", headers=headers)
    assert complaint in str(failure)
    assert "hunter22" not in str(failure)
    assert (False, False, True, "") == told(failure)
    assert [] == site.seen


async def test_two_bodies_are_refused(site: Site) -> None:
    """Nobody guesses which of them was meant."""
    failure = await failure_of(plugin_for(site), "post", url=f"{site.url}/", json={}, text="")
    assert "give one of them" in str(failure)


async def test_a_credential_goes_where_the_operator_says(site: Site) -> None:
    """By its handle, in the form that is asked for, to its own origin."""
    plugin = plugin_for(site, credentials={"crm": [site.url], "user": [site.url.upper() + "/"]})
    known = {"crm": f"{TOKEN}\n", "user": "me:pässwört"}
    named = {"Authorization": "Bearer crm", "X-Key": "crm", "X-User": "Basic user"}
    await call(plugin, "get", url=f"{site.url}/", credentials=named, known=known)
    seen = site.seen[0].headers
    assert (f"Bearer {TOKEN}", TOKEN, "Basic bWU6cMOkc3N3w7ZydA==") == tuple(
        seen[name] for name in ("authorization", "x-key", "x-user")
    )


@pytest.mark.parametrize(
    ("places", "named", "complaint"),
    [
        ([], "Bearer crm", "the credential 'crm' may not be sent to http://127.0.0.1"),
        (["https://127.0.0.1"], "Bearer crm", "may not be sent to"),
        (["http://127.0.0.1"], "Bearer crm", "may not be sent to"),
        (["http://localhost:{port}"], "crm", "may not be sent to"),
        (["http://127.0.0.1:{port}"], "Bearer other", "the credential 'other' may not be sent to"),
        (["http://127.0.0.1:{port}"], "Bear\r\ner crm", "has a value with a line break"),
    ],
)
async def test_a_credential_goes_nowhere_else(site: Site, places: list[str], named: str, complaint: str) -> None:
    """Whatever a model was talked into, a secret leaves for its own origin or not at all."""
    listed = [place.format(port=site.port) for place in places]
    plugin = plugin_for(site, credentials={"crm": listed})
    given = {"Authorization": named}
    failure = await failure_of(plugin, "get", url=f"{site.url}/", credentials=given, known={"crm": TOKEN})
    assert complaint in str(failure)
    assert TOKEN not in str(failure)
    assert [] == site.seen


async def test_a_handle_without_a_secret_is_told(site: Site) -> None:
    """The operator has said where it may go, and nobody has set it."""
    plugin = plugin_for(site, credentials={"crm": [site.url]})
    failure = await failure_of(plugin, "get", url=f"{site.url}/", credentials={"X": "crm"})
    assert "there is no credential 'crm'" in str(failure)


async def test_an_echo_of_a_credential_is_masked(site: Site) -> None:
    """A server that repeats what it was sent does not bring the secret into a result, a URL or an error."""
    plugin = plugin_for(site, credentials={"crm": [site.url]})
    named, known = {"Authorization": "Bearer crm"}, {"crm": TOKEN}
    site.replies["/json"] = reply(
        f'{{"you sent": "Bearer {TOKEN}"}}', headers=[("Content-Type", "application/json"), ("ETag", TOKEN)]
    )
    site.replies["/away"] = redirect(f"/json?token={TOKEN}")
    site.replies["/bad"] = reply(f"{TOKEN} is no good", 403)
    found = await call(plugin, "get", url=f"{site.url}/away", credentials=named, known=known)
    assert {"you sent": "Bearer [redacted]"} == found["json"]
    failure = await failure_of(plugin, "get", url=f"{site.url}/bad", credentials=named, known=known)
    assert str(failure).endswith("answered 403: [redacted] is no good")
    assert TOKEN not in f"{found} {failure}"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (300, (False, True, True, "")),
        (305, (False, True, True, "")),
        (400, (False, True, True, "")),
        (401, (False, True, True, "")),
        (404, (False, True, True, "")),
        (408, (True, True, True, "408")),
        (409, (False, True, True, "")),
        (422, (False, True, True, "")),
        (429, (True, True, True, "429")),
        (500, (True, True, True, "500")),
        (503, (True, True, True, "503")),
        (529, (True, True, True, "529")),
    ],
)
async def test_a_status_says_whether_to_try_again(
    site: Site, status: int, expected: tuple[bool, bool, bool, str]
) -> None:
    """408, 429 and 5xx pass; any other 4xx does not; each is an answer, so nothing is unknown."""
    site.replies["/x"] = reply("why it\n failed", status, [("Retry-After", "7")])
    for action in ("get", "post"):
        failure = await failure_of(plugin_for(site), action, url=f"{site.url}/x?key=hunter22")
        assert expected == told(failure)
        assert (7.0 if failure.is_transient else None) == failure.retry_after_s
        said = ": why it failed" if 400 <= status < 500 else ""
        assert f"{action.upper()} {site.url} answered {status}{said}" == str(failure)


async def test_a_page_and_a_long_reason_do_not_fill_the_error(site: Site) -> None:
    """A web page explains nothing; other words are cut, and again by the run once it has looked for its secrets."""
    site.replies["/page"] = reply("<html>no</html>", 404, [("Content-Type", "text/html")])
    site.replies["/long"] = reply("x" * 10_000, 400)
    site.replies["/picture"] = reply(b"\x89\xff", 400)
    plugin = plugin_for(site)
    assert str(await failure_of(plugin, "get", url=f"{site.url}/page")).endswith("answered 404")
    assert str(await failure_of(plugin, "get", url=f"{site.url}/picture")).endswith("answered 400")
    assert len(str(await failure_of(plugin, "get", url=f"{site.url}/long"))) < 4_200


async def test_unchanged_is_an_answer(site: Site) -> None:
    """304 to a conditional request is what was asked for."""
    site.replies["/x"] = reply(b"", 304, [("ETag", '"7"')])
    assert 304 == (await call(plugin_for(site), "get", url=f"{site.url}/x"))["status"]


async def test_retry_after_is_seconds_or_a_date() -> None:
    """Anything else is no wish."""
    soon = format_datetime(clock.now() + timedelta(seconds=90))
    assert 80 < (retry_after_s(soon) or 0) <= 90
    past = format_datetime(clock.now() - timedelta(seconds=90), usegmt=False)
    assert [0.0, 5.0, 0.0] == [retry_after_s(text) for text in ("0", " 5 ", past)]
    assert (retry_after_s("9" * 5000) or 0) > 1e9
    bad = ("", "-1", "1.5", "nan", "soon", "²", "Mon, 99 Foo 2026 00:00:00 GMT", "Mon, 01 Jan 10000 00:00:00 GMT")
    assert [None] * len(bad) == [retry_after_s(text) for text in bad]


LOST, REFUSED, KNOWN = (True, True, False, ""), (False, False, True, ""), (False, True, True, "")
FAULTS: dict[str, tuple[tuple[bool, bool, bool, str], str]] = {
    "/loop": (KNOWN, "3 times is the most"),
    "/inside": (KNOWN, "leads to a cloud metadata address"),
    "/huge": (KNOWN, "answered 200, but its body is larger than 10485760 bytes"),
    "/endless": (KNOWN, "answered 200, but its body is larger than 10485760 bytes"),
    "/slow": ((True, True, False, "timeout"), "was not over within 0.4 s"),
    "/bomb": (KNOWN, "answered 200, but its body is larger than 10485760 bytes"),
    "/cookies": ((False, True, False, ""), "answered with too large a header"),
    "/short": (LOST, "there was no whole answer"),
    "/garbage": (LOST, "there was no whole answer"),
    "/silent": (LOST, "there was no whole answer"),
    "/mute": ((True, True, False, "timeout"), "was not over within 0.4 s"),
    "/brotli": (KNOWN, "its Content-Encoding 'br' was not asked for"),
    "/twofold": (KNOWN, "its Content-Encoding 'gzip, gzip' was not asked for"),
    "/broken": (KNOWN, "its encoded body does not decode"),
    "/cut": (KNOWN, "its encoded body has no end"),
}


def test_every_hostile_reply_has_its_failure() -> None:
    """The table below forgets none."""
    assert set(HOSTILE) == set(FAULTS)


@pytest.mark.parametrize("path", FAULTS)
async def test_a_hostile_server_is_refused_or_capped(site: Site, path: str) -> None:
    """Loop, inside, size, slowness, bombs, lies about the length, no HTTP: each ends soon, and says what it is."""
    patience_s = 0.4 if path in ("/slow", "/mute") else 5
    expected, words = FAULTS[path]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    failure = await failure_of(quick(site, patience_s), "post", url=f"{site.url}{path}")
    assert words in str(failure)
    assert expected == told(failure)
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mib < 64


async def test_nothing_stays_open(site: Site) -> None:
    """Five hundred calls, of which most fail in some way, leave the descriptors of this process as they were."""
    plugin = quick(site, 5)
    paths = [path for path in FAULTS if path not in ("/slow", "/mute", "/endless", "/bomb")]

    before = len(os.listdir("/proc/self/fd"))
    for _ in range(500 // len(paths)):
        await call(plugin, "get", url=f"{site.url}/")
        for path in paths:
            await failure_of(plugin, "get", url=f"{site.url}{path}")
    async with asyncio.timeout(5):  # the server's sides close a moment later
        while len(os.listdir("/proc/self/fd")) > before:
            await asyncio.sleep(0.01)


async def test_more_than_the_length_is_not_read(site: Site) -> None:
    """A body longer than it says ends where it says."""
    site.replies["/x"] = reply("only this, and then some", length=9)
    assert "only this" == (await call(plugin_for(site), "get", url=f"{site.url}/x"))["text"]


async def test_a_body_of_just_the_bound_is_taken(site: Site) -> None:
    """The bound is what is still allowed, packed or not."""
    for body, is_fine in ((b"x" * 100, True), (b"x" * 101, False)):
        for packed in (reply(body), sites.gzipped(gzip.compress(body))):
            site.replies["/x"] = packed
            if is_fine:
                assert 100 == len((await call(quick(site, most_bytes=100), "get", url=f"{site.url}/x"))["text"])
            else:
                await failure_of(quick(site, most_bytes=100), "get", url=f"{site.url}/x")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (gzip.compress(b"") * 2000, "does not end where it should"),
        (b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + b"\0\0\0\xff\xff" * 20_000, "is larger than 50000 bytes"),
    ],
    ids=["empty parts", "empty blocks"],
)
async def test_packed_nothing_without_end_is_bounded(site: Site, body: bytes, words: str) -> None:
    """A body that swallows bytes and gives none ends at the bound, or at a thousand empty parts."""
    packed = sites.CHUNKED.replace(b"chunked", b"chunked\r\nContent-Encoding: gzip")
    site.replies["/x"] = pieces(packed, b"%x\r\n%b\r\n" % (len(body), body), b"0\r\n\r\n")
    failure = await failure_of(quick(site, 5, most_bytes=50_000), "get", url=f"{site.url}/x")
    assert words in str(failure)


async def test_what_never_left_is_known_not_to_have(site: Site) -> None:
    """A refused connection, a dead name: passing, and safe to repeat even for an unsafe action."""
    port = site.port
    async with sites.serving({}) as closed:
        pass
    gone = http.plugin({"allow": ["127.0.0.1"], "ports": [closed.port]})
    assert (True, False, True, "") == told(await failure_of(gone, "post", url=f"http://127.0.0.1:{closed.port}/"))
    nowhere = http.over(lambda: Outbound(Policy(), look_up=Names({"no.test": [[]]}), inner=Wires(port)))
    assert (True, False, True, "") == told(await failure_of(nowhere, "post", url="http://no.test/"))


async def test_a_failure_behind_a_redirect_had_left(site: Site) -> None:
    """The first request may have had its effect, wherever the second one ended."""
    site.replies["/away"] = redirect("http://dead.test/", 307)
    names = Names({"a.test": [[PUBLIC]], "dead.test": [["8.8.8.8"]]})
    plugin = http.over(lambda: Outbound(Policy(), look_up=names, inner=Wires(site.port, dead=["8.8.8.8"])))
    failure = await failure_of(plugin, "post", url="http://a.test/away", text="x")
    assert (True, True, True, "") == told(failure)
    assert "POST http://dead.test (redirect 1) could not connect" == str(failure)


async def test_a_host_that_is_not_found_in_time_was_not_asked(site: Site) -> None:
    """Time that runs out before a request leaves makes nothing unknown, behind a redirect either."""
    site.replies["/away"] = redirect("http://slow.test/", 307)

    async def look_up(host: str, port: int) -> list[str]:
        del port
        await asyncio.sleep(5 if host == "slow.test" else 0)
        return [PUBLIC]

    plugin = http.over(lambda: Outbound(Policy(timeout_s=0.3), look_up=look_up, inner=Wires(site.port)))
    assert (True, False, True, "timeout") == told(await failure_of(plugin, "post", url="http://slow.test/"))
    assert (True, True, True, "timeout") == told(await failure_of(plugin, "post", url="http://a.test/away"))


async def test_a_blocked_address_is_a_refusal(site: Site) -> None:
    """Clear words, the way out for the operator, nothing of the inside, and no second try."""
    failure = await failure_of(http.plugin({}), "post", url=f"http://localhost:{site.port}/secret?key=hunter22")
    assert REFUSED == told(failure)
    assert f"POST http://localhost:{site.port} was refused: port {site.port} of 'localhost' may not" in str(failure)
    failure = await failure_of(http.plugin({"ports": [site.port]}), "post", url=f"http://localhost:{site.port}/secret")
    assert "'localhost' leads to a loopback address" in str(failure)
    assert "TRACKRECORD_HTTP__ALLOW" in str(failure)
    assert "127.0.0.1" not in str(failure)
    assert [] == site.seen


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allow": ["0.0.0.0/0"]}, "TRACKRECORD_HTTP__ALLOW cannot be used: '0.0.0.0/0' is not within"),
        ({"allow": ["localhost"]}, "TRACKRECORD_HTTP__ALLOW cannot be used: 'localhost' is no network"),
        ({"credentials": {"crm": ["api.test"]}}, "TRACKRECORD_HTTP__CREDENTIALS: 'api.test' of 'crm' is no origin"),
        ({"credentials": {"crm": ["https://a.test/path"]}}, "is no origin"),
        ({"credentials": {"crm": ["https://me@a.test"]}}, "is no origin"),
        ({"credentials": {"crm": ["https://a.test:x"]}}, "is no origin"),
        ({"credentials": {"crm": ["ftp://a.test"]}}, "is no origin"),
    ],
)
def test_a_wrong_option_is_told_at_start(options: dict[str, Any], message: str) -> None:
    """With the name of the setting, the entry, and what to write."""
    with pytest.raises(PluginError) as caught:
        http.plugin(options)
    assert message in caught.value.message
    assert caught.value.cure


def test_nothing_is_loaded_before_the_first_request() -> None:
    """A program that sends no request does not pay for the libraries."""
    code = (
        "import sys; from trackrecord.plugins.entry_points import load; load(['http']); "
        "print(sorted({'httpx', 'httpcore', 'trackrecord.plugins.outbound.addresses'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()
