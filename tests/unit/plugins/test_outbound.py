"""The outbound guard: what may be reached and what may not, however it is spelt and whoever leads there."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.plugins import sites
from tests.unit.plugins.sites import PUBLIC, PUBLIC_6, Names, Site, Wires, get, redirect, reply

from trackrecord.plugins.outbound.addresses import OutboundRefused, Policy, kind_of, parsed, read_listed
from trackrecord.plugins.outbound.exchange import Outbound
from trackrecord.plugins.outbound.guard import Guard, GuardedBackend, NotResolved, resolve
from trackrecord.plugins.protocol import ToolCallFailed

# what stands in a URL, and the address it leads to
SPELLINGS = {
    "127.0.0.1": "127.0.0.1",
    "127.1": "127.0.0.1",
    "127.0.1": "127.0.0.1",
    "127.255.255.254": "127.255.255.254",
    "2130706433": "127.0.0.1",
    "017700000001": "127.0.0.1",
    "0177.0.0.1": "127.0.0.1",
    "0x7f000001": "127.0.0.1",
    "0x7f.1": "127.0.0.1",
    "0X7F.0x0.0.01": "127.0.0.1",
    "127.0.0.1.": "127.0.0.1",
    "①②⑦.⓪.⓪.①": "127.0.0.1",
    "１２７.０.０.１": "127.0.0.1",
    "127。0。0。1": "127.0.0.1",
    "localhost": "127.0.0.1",
    "LOCALHOST": "127.0.0.1",
    "[::1]": "::1",
    "[0:0:0:0:0:0:0:1]": "::1",
    "[::ffff:127.0.0.1]": "::ffff:127.0.0.1",
    "[::ffff:7f00:1]": "::ffff:7f00:1",
    "[::127.0.0.1]": "::127.0.0.1",
    "[64:ff9b::7f00:1]": "64:ff9b::7f00:1",
    "[2002:7f00:1::]": "2002:7f00:1::",
    "[::ffff:0:127.0.0.1]": "::ffff:0:127.0.0.1",
    "0": "0.0.0.0",
    "0.0.0.0": "0.0.0.0",
    "[::]": "::",
    "10.0.0.1": "10.0.0.1",
    "10.1": "10.0.0.1",
    "167772161": "10.0.0.1",
    "172.16.0.1": "172.16.0.1",
    "172.31.255.254": "172.31.255.254",
    "192.168.1": "192.168.0.1",
    "0xc0a80101": "192.168.1.1",
    "[fd12:3456::1]": "fd12:3456::1",
    "[fec0::1]": "fec0::1",
    "[fe80::1]": "fe80::1",
    "169.254.169.254": "169.254.169.254",
    "2852039166": "169.254.169.254",
    "0251.0376.0251.0376": "169.254.169.254",
    "169.254.43518": "169.254.169.254",
    "[::ffff:a9fe:a9fe]": "::ffff:a9fe:a9fe",
    "[64:ff9b::a9fe:a9fe]": "64:ff9b::a9fe:a9fe",
    "[64:ff9b:1::a9fe:a9fe]": "64:ff9b:1::a9fe:a9fe",
    "[2002:a9fe:a9fe::1]": "2002:a9fe:a9fe::1",
    "[2001:0:53aa:64c::5601:5601]": "2001:0:53aa:64c::5601:5601",
    "[fd00:ec2::254]": "fd00:ec2::254",
    "168.63.129.16": "168.63.129.16",
    "100.64.0.1": "100.64.0.1",
    "100.100.100.200": "100.100.100.200",
    "192.0.0.192": "192.0.0.192",
    "192.0.2.1": "192.0.2.1",
    "198.18.0.1": "198.18.0.1",
    "192.88.99.1": "192.88.99.1",
    "224.0.0.1": "224.0.0.1",
    "[ff02::1]": "ff02::1",
    "240.0.0.1": "240.0.0.1",
    "255.255.255.255": "255.255.255.255",
    "[2001:db8::1]": "2001:db8::1",
    "[100::1]": "100::1",
}
PUBLICS = {PUBLIC, PUBLIC_6}
SECRET = "the innermost secret"


@pytest.fixture
async def site() -> AsyncGenerator[Site]:
    async with sites.serving({"/": reply("hello"), "/secret": reply(SECRET)}) as made:
        yield made


Way = Callable[[Site, str, str], Awaitable[tuple[ToolCallFailed | None, Wires]]]


async def _tried(site: Site, names: dict[str, list[list[str]]], *urls: str) -> tuple[ToolCallFailed | None, Wires]:
    """How the last of these requests failed, those before having got through; None when it did not."""
    wires = Wires(site.port)
    door = Outbound(Policy(timeout_s=5), look_up=Names(names), inner=wires)
    for url in urls[:-1]:
        assert b"hello" == (await get(door, url)).body
    try:
        await get(door, urls[-1])
    except ToolCallFailed as failure:
        return failure, wires
    except OutboundRefused as refusal:  # a URL that cannot even be read
        return ToolCallFailed(f"was refused: {refusal}"), wires
    return None, wires


async def directly(site: Site, host: str, address: str) -> tuple[ToolCallFailed | None, Wires]:
    names = {host: [[address]]} if host.endswith(".") else {}  # a resolver may well take a final dot; this one does not
    return await _tried(site, names, f"http://{host}/secret")


async def by_redirect(site: Site, host: str, address: str) -> tuple[ToolCallFailed | None, Wires]:
    site.replies["/away"] = redirect(f"http://{host}/secret")
    names = {"public.test": [[PUBLIC]], **({host: [[address]]} if host.endswith(".") else {})}
    return await _tried(site, names, "http://public.test/away")


async def by_rebinding(site: Site, host: str, address: str) -> tuple[ToolCallFailed | None, Wires]:
    del host
    names = {"rebound.test": [[PUBLIC], [address]]}
    return await _tried(site, names, "http://rebound.test/", "http://rebound.test/secret")


async def by_alias(site: Site, host: str, address: str) -> tuple[ToolCallFailed | None, Wires]:
    del host
    return await _tried(site, {"alias.test": [[address]]}, "http://alias.test/secret")


async def among_others(site: Site, host: str, address: str) -> tuple[ToolCallFailed | None, Wires]:
    del host
    return await _tried(site, {"mixed.test": [[PUBLIC, address, PUBLIC_6]]}, "http://mixed.test/secret")


WAYS: tuple[Way, ...] = (directly, by_redirect, by_rebinding, by_alias, among_others)


def is_blocked(failure: ToolCallFailed | None, wires: Wires) -> bool:
    """Whether it was refused for good, dialled nothing but public addresses, and let nothing of the inside out."""
    return (
        failure is not None
        and "was refused: " in str(failure)
        and not failure.is_transient
        and SECRET not in str(failure)
        and {address for address, _ in wires.dialled} <= PUBLICS
    )


async def test_300_of_300_are_blocked(site: Site) -> None:
    """60 spellings of what is not public, each reached for in five ways: none is dialled, each is a refusal."""
    blocked: list[str] = []
    let_by: list[str] = []
    for way in WAYS:
        for host, address in SPELLINGS.items():
            failure, wires = await way(site, host, address)
            (blocked if is_blocked(failure, wires) else let_by).append(f"{way.__name__} {host}: {failure}")
    assert ([], 300, 300) == (let_by, len(blocked), len(SPELLINGS) * len(WAYS))
    assert "/secret" not in site.paths()


async def test_spellings_lead_where_the_table_says(site: Site) -> None:
    """The system's resolver takes most spellings for the address beside them: the table is not made up."""
    del site
    found: dict[str, Any] = {}
    for host, address in SPELLINGS.items():
        try:
            found[host] = ipaddress.ip_address(address) in map(
                ipaddress.ip_address, await resolve(host.strip("[]"), 80)
            )
        except NotResolved:
            found[host] = None
    assert [] == [host for host, is_so in found.items() if is_so is False]
    assert {"127.0.0.1."} == {host for host, is_so in found.items() if is_so is None} - {"localhost", "LOCALHOST"}


async def _fetched(site: Site, url: str, names: dict[str, list[list[str]]], dead: str = "", **policy: Any) -> str:
    wires = Wires(site.port, dead=[dead])
    answer = await get(Outbound(Policy(**policy), look_up=Names(names), inner=wires), url)
    return answer.body.decode()


def _listed(*entries: str) -> dict[str, Any]:
    return {"listed": read_listed(entries)}


CONTROLS: dict[str, Callable[[Site], Awaitable[str]]] = {
    "a public address": lambda site: _fetched(site, f"http://{PUBLIC}/", {}),
    "a public IPv6 address": lambda site: _fetched(site, f"http://[{PUBLIC_6}]/", {}),
    "a public address inside IPv6": lambda site: _fetched(site, f"http://[::ffff:{PUBLIC}]/", {}),
    "a name": lambda site: _fetched(site, "http://a.test/", {"a.test": [[PUBLIC]]}),
    "a name of both kinds": lambda site: _fetched(site, "http://a.test/", {"a.test": [[PUBLIC_6, PUBLIC]]}),
    "a second address": lambda site: _fetched(site, "http://a.test/", {"a.test": [[PUBLIC, PUBLIC_6]]}, dead=PUBLIC),
    "a redirect": lambda site: _fetched(site, "http://a.test/on", {"a.test": [[PUBLIC]], "b.test": [[PUBLIC_6]]}),
    "a listed port": lambda site: _fetched(
        site, "http://a.test:8080/", {"a.test": [[PUBLIC]]}, ports=frozenset({8080})
    ),
    "a listed loopback": lambda site: _fetched(site, "http://127.1/", {}, **_listed("127.0.0.0/8")),
    "a listed place": lambda site: _fetched(
        site, "http://in.test:8080/", {"in.test": [["10.0.0.9"]]}, **_listed("in.test:8080")
    ),
    "a listed private network": lambda site: _fetched(site, "http://10.1.2.3/", {}, **_listed("10.1.0.0/16")),
    "a listed private IPv6 network": lambda site: _fetched(site, "http://[fd12::1]/", {}, **_listed("fd12::/16")),
}


async def test_12_of_12_controls_pass(site: Site) -> None:
    """What is public, and what the operator lists, is reached: the guard is no wall."""
    site.replies["/on"] = redirect("http://b.test/")
    passed = [name for name, control in CONTROLS.items() if "hello" == await control(site)]
    assert (list(CONTROLS), 12) == (passed, len(passed))


async def test_a_connection_is_one_resolution(site: Site) -> None:
    """The address that is dialled is the one that was checked: a name server is asked once for each connection."""
    names, wires = Names({"a.test": [[PUBLIC], ["127.0.0.1"]]}), Wires(site.port)
    await get(Outbound(Policy(), look_up=names, inner=wires), "http://a.test/")
    assert (["a.test"], [(PUBLIC, 80)]) == (names.asked, wires.dialled)


async def test_no_proxy_of_the_environment_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would do the resolving, and reach what we may not."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert "hello" == await _fetched(site, "http://a.test/", {"a.test": [[PUBLIC]]})


async def test_a_socket_file_is_never_reached() -> None:
    """There is no way around the check."""
    with pytest.raises(OutboundRefused):
        await GuardedBackend(Guard(Policy())).connect_unix_socket("/run/docker.sock")


@pytest.mark.parametrize(
    ("entry", "host", "port", "address"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 80, "127.0.0.1"),
        ("127.0.0.1:8080", "127.0.0.1", 8081, "127.0.0.1"),
        ("127.0.0.1:8080", "x.test", 8080, "127.0.0.2"),
        ("127.0.0.1:8080", "x.test", 8080, PUBLIC),
        ("127.0.0.0/8", "x.test", 8080, "127.0.0.1"),
        ("127.0.0.0/8", "x.test", 80, "10.0.0.1"),
        ("in.test:8080", "x.test", 8080, "10.0.0.1"),
        ("in.test:8080", "in.test", 80, "10.0.0.1"),
        ("in.test:8080", "in.test", 8080, "169.254.169.254"),
        ("in.test:8080", "in.test", 8080, "168.63.129.16"),
        ("in.test:8080", "in.test", 8080, "64:ff9b::7f00:1"),
        ("in.test:8080", "in.test", 8080, "0.0.0.0"),
        ("100.64.0.0/10", "x.test", 80, "100.100.100.200"),
        ("fc00::/7", "x.test", 80, "fd00:ec2::254"),
        ("::1/128", "x.test", 80, "127.0.0.1"),
    ],
)
def test_an_entry_opens_no_more_than_it_says(entry: str, host: str, port: int, address: str) -> None:
    """Neither another port, nor another address, nor ever a metadata service, even where a listed name leads to one."""
    policy = Policy(listed=read_listed([entry]))
    with pytest.raises(OutboundRefused):
        policy.check(host, port, [address])


@pytest.mark.parametrize(
    ("entry", "host", "port", "address"),
    [
        ("127.0.0.1:8080", "x.test", 8080, "127.0.0.1"),
        ("127.0.0.1:8080", "x.test", 8080, "::ffff:127.0.0.1"),
        ("[::1]:8080", "::1", 8080, "::1"),
        ("In.Test.:8080", "in.test", 8080, "10.0.0.1"),
        ("in.test:8443", "in.test", 8443, PUBLIC),
        (f"{PUBLIC}:8443", "x.test", 8443, PUBLIC),
        (" 10.0.0.0/8 ", "x.test", 443, "10.9.9.9"),
        ("192.168.1.1", "x.test", 443, "192.168.1.1"),
        ("100.64.0.0/10", "x.test", 443, "100.64.0.1"),
    ],
)
def test_an_entry_opens_what_it_says(entry: str, host: str, port: int, address: str) -> None:
    """A network, an address, or a place with its port."""
    policy = Policy(listed=read_listed([entry]))
    policy.check_port(host, port)
    assert (parsed(address),) == policy.check(host, port, [address])


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("0.0.0.0/0", "not within"),
        ("::/0", "not within"),
        ("8.0.0.0/7", "not within"),
        ("169.254.0.0/16", "not within"),
        ("64:ff9b::/96", "not within"),
        ("169.254.169.254:80", "cloud metadata address, which cannot be opened"),
        ("10.0.0.1/8", "has host bits set"),
        ("localhost", "no network and no host:port"),
        ("localhost:0", "no network and no host:port"),
        ("localhost:65536", "no network and no host:port"),
        ("localhost:http", "no network and no host:port"),
        ("http://localhost:80", "no network and no host:port"),
        ("::1:x:80", "[address]:port"),
        ("", "no network and no host:port"),
        (":80", "no network and no host:port"),
    ],
)
def test_an_entry_that_cannot_be_used_is_told(entry: str, complaint: str) -> None:
    """The whole Internet, a range that is never opened, or no entry at all."""
    with pytest.raises(ValueError, match=complaint.replace("[", r"\[")) as caught:
        read_listed([entry])
    assert str(caught.value).startswith(repr(entry))


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("ftp://a.test/", "has scheme 'ftp'"),
        ("file:///etc/passwd", "has scheme 'file'"),
        ("//a.test/", "has scheme ''"),
        ("a.test/", "has scheme ''"),
        ("http:127.0.0.1", "names no host"),
        ("http:///a", "names no host"),
        ("http://user:hunter22@a.test/", "holds a user name or a password"),
        ("http://127.0.0.1\\@a.test/", "holds a user name or a password"),
        ("http://a.test:0/", "a port that does not exist"),
        ("http://a.test:99999/", "a port that does not exist"),
        ("http://a.test:x/", "cannot be read"),
        ("http://a.test/\x00", "cannot be read"),
        ("http://[::1/", "cannot be read"),
        (f"http://a.test/{'a' * 9000}", "longer than 8192"),
    ],
)
async def test_a_url_that_no_address_could_make_right_is_refused(site: Site, url: str, complaint: str) -> None:
    """Given as such or by a redirect; what stands in it is not repeated."""
    with pytest.raises(OutboundRefused, match=complaint) as caught:
        sites.read_url(url)
    assert "hunter22" not in str(caught.value)
    if "\x00" not in url and not url.startswith(("//", "a.test", "http:127", "http:///")):
        site.replies["/away"] = redirect(url)
        with pytest.raises(ToolCallFailed, match="was refused: ") as failed:
            await _fetched(site, "http://a.test/away", {"a.test": [[PUBLIC]]})
        assert "hunter22" not in str(failed.value)


async def test_a_port_that_is_not_listed_is_refused_before_anything_is_resolved() -> None:
    """Only 80 and 443, unless the operator says otherwise."""
    names = Names({"a.test": [[PUBLIC]]})
    with pytest.raises(ToolCallFailed, match="port 22 of 'a\\.test' may not be reached"):
        await get(Outbound(Policy(), look_up=names), "http://a.test:22/")
    assert [] == names.asked


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_redirected_request_is_what_the_standard_says(site: Site, status: int, method: str) -> None:
    """307 and 308 repeat the request; 303 asks for the result; 301 and 302 do that to a POST only."""
    site.replies["/away"] = redirect("/there", status)
    site.replies["/there"] = reply("hello")
    body = None if method == "GET" else b"body"
    headers = (("Content-Type", "text/plain"), ("X-Mine", "1"))
    door = Outbound(Policy(), look_up=Names({"a.test": [[PUBLIC]]}), inner=Wires(site.port))
    answer = await get(door, "http://a.test/away", method, body=body, headers=headers)
    assert "http://a.test/there" == str(answer.url)
    becomes_get = method != "GET" and (status == 303 or (status in (301, 302) and method == "POST"))
    last = site.seen[-1]
    assert ("GET" if becomes_get else method, b"" if becomes_get else body or b"") == (last.method, last.body)
    assert ("content-type" in last.headers, "1") == (not becomes_get, last.headers["x-mine"])


@pytest.mark.parametrize(
    ("place", "is_kept"),
    [
        ("/there", True),
        ("http://A.test:80/there", True),
        ("http://b.test/there", False),
        ("http://a.test:8080/there", False),
    ],
)
async def test_credentials_stay_with_their_origin(site: Site, place: str, is_kept: bool) -> None:
    """Another host or another port gets none of the caller's headers but the harmless ones, and none again later."""
    site.replies |= {"/away": redirect(place), "/there": redirect("http://a.test/back"), "/back": reply("hello")}
    names = Names({"a.test": [[PUBLIC]], "b.test": [[PUBLIC]]})
    door = Outbound(Policy(ports=frozenset({80, 8080})), look_up=names, inner=Wires(site.port))
    headers = (("Accept", "text/plain"), ("X-Api-Key", "k"))
    await get(door, "http://a.test/away", headers=headers, secret_headers=(("Authorization", "Bearer s"),))
    assert ["/away", "/there", "/back"] == site.paths()
    for one in site.seen:
        is_first = one.path == "/away"
        expected = ("text/plain", "k", "Bearer s") if is_kept or is_first else ("text/plain", None, None)
        assert expected == tuple(one.headers.get(name) for name in ("accept", "x-api-key", "authorization")), one.path


async def test_cookies_are_not_kept(site: Site) -> None:
    """What one answer sets, the next request does not carry."""
    site.replies["/away"] = reply(b"", 302, [("Location", "/"), ("Set-Cookie", "id=1")])
    await _fetched(site, "http://a.test/away", {"a.test": [[PUBLIC]]})
    assert [None, None] == [one.headers.get("cookie") for one in site.seen]


async def test_a_loop_of_redirects_ends(site: Site) -> None:
    """Three are followed; the fourth is a failure that no repetition mends."""
    site.replies["/loop"] = redirect("/loop")
    with pytest.raises(ToolCallFailed, match="3 times is the most") as caught:
        await _fetched(site, "http://a.test/loop", {"a.test": [[PUBLIC]]})
    assert (4, False, True, True) == (
        len(site.seen),
        caught.value.is_transient,
        caught.value.was_sent,
        caught.value.has_response,
    )


async def test_a_dead_end_and_a_dead_host_passed_in_time() -> None:
    """A host without an address, and one that refuses: both passing, and nothing had left."""
    for names, dead, why in ([], "", "no address"), ([PUBLIC], PUBLIC, "could not connect"):
        door = Outbound(Policy(), look_up=Names({"a.test": [names]}), inner=Wires(1, dead=[dead]))
        with pytest.raises(ToolCallFailed, match=why) as caught:
            await get(door, "http://a.test/")
        assert (True, False) == (caught.value.is_transient, caught.value.was_sent)


async def test_many_addresses_are_not_all_tried() -> None:
    """A name with a thousand dead addresses costs four connections; every address is checked all the same."""
    dead = [f"8.8.{number // 256}.{number % 256}" for number in range(1000)]
    wires = Wires(1, dead=dead)
    with pytest.raises(ToolCallFailed):
        await get(Outbound(Policy(), look_up=Names({"a.test": [dead]}), inner=wires), "http://a.test/")
    assert 4 == len(wires.dialled)
    with pytest.raises(ToolCallFailed, match="was refused"):
        await get(Outbound(Policy(), look_up=Names({"a.test": [[*dead, "::1"]]}), inner=wires), "http://a.test/")


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server of that name and of a client that trusts it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    title = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(title, title, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "server.pem").write_bytes(private + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_encryption_and_host_keep_the_name(tmp_path: Path) -> None:
    """The address is dialled, the certificate is checked for the name, and the server is told the name."""
    server, client = certificate(tmp_path, "a.test")
    async with sites.serving({"/": reply("hello"), "/down": redirect("http://a.test/")}, server) as site:
        wires = Wires(site.port)
        names = Names({"a.test": [[PUBLIC]], "b.test": [[PUBLIC]]})
        door = Outbound(Policy(), look_up=names, inner=wires, tls=client)
        assert b"hello" == (await get(door, "https://a.test/")).body
        assert ([(PUBLIC, 443)], ["a.test"], "a.test") == (
            wires.dialled,
            site.server_names,
            site.seen[0].headers["host"],
        )
        with pytest.raises(ToolCallFailed, match="no certificate that can be trusted") as caught:
            await get(door, "https://b.test/")
        assert (False, False) == (caught.value.is_transient, caught.value.was_sent)
        with pytest.raises(ToolCallFailed, match="a redirect leads from https to http"):
            await get(door, "https://a.test/down")


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6, "8.8.8.8", "1.1.1.1", "192.31.196.1", "2620:4f:8000::1"])
def test_public_addresses_are_public(address: str) -> None:
    """The list takes nothing from the Internet."""
    assert kind_of(parsed(address)) is None


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "a loopback"),
        ("::1", "a loopback"),
        ("::ffff:10.0.0.1", "a private"),
        ("fd12::1", "a private"),
        ("100.64.0.1", "a carrier's shared"),
        ("169.254.169.254", "a cloud metadata"),
        ("0.0.0.0", "an unspecified"),
        ("fe80::1%1", "a link-local"),
        ("fec0::1", "a site-local"),
        ("ff0e::1", "a multicast"),
        ("255.255.255.255", "a broadcast"),
        ("192.0.0.8", "a reserved"),
        ("198.51.100.7", "a documentation"),
        ("3fff::1", "a documentation"),
        ("64:ff9b::808:808", "a translated (NAT64, 6to4, Teredo, IPv4-compatible)"),
        ("::808:808", "a translated (NAT64, 6to4, Teredo, IPv4-compatible)"),
        ("2001:20::1", "a protocol's own"),
        ("4000::1", "a reserved"),
    ],
)
def test_a_refusal_says_what_kind_of_address_it_is(address: str, kind: str) -> None:
    """So that an operator knows what to list, without an address being told to a model."""
    assert kind == kind_of(parsed(address))


async def test_a_resolver_that_gives_no_address_is_not_trusted() -> None:
    """Text that is no address is refused, not dialled."""
    door = Outbound(Policy(), look_up=Names({"a.test": [[PUBLIC, "b.test"]]}), inner=Wires(1))
    with pytest.raises(ToolCallFailed, match="something that is no address"):
        await get(door, "http://a.test/")


async def test_a_request_given_up_leaves_nothing_open(site: Site) -> None:
    """Cancelling a request closes its connection."""
    hung = asyncio.Event()
    closed = asyncio.Event()

    async def hang(writer: asyncio.StreamWriter) -> None:
        hung.set()
        try:
            while True:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    site.replies["/hang"] = hang
    door = Outbound(Policy(), look_up=Names({"a.test": [[PUBLIC]]}), inner=Wires(site.port))
    task = asyncio.create_task(get(door, "http://a.test/hang"))
    await asyncio.wait_for(hung.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(closed.wait(), 5)


def test_what_is_never_opened_cannot_be_opened_by_hand() -> None:
    """A list made in code is held to the same rule as one that was read."""
    listed = replace(read_listed(["127.0.0.1"])[0], network=ipaddress.ip_network("169.254.0.0/16"))
    with pytest.raises(OutboundRefused):
        Policy(listed=(listed,)).check("x.test", 80, ["169.254.1.1"])
