"""What holds for every test: no network, no settings of whoever runs it, and the same time limits on any machine."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is slow now and then: an example's time says nothing about the code.
settings.register_profile("trackrecord", deadline=None, print_blob=True)
settings.load_profile("trackrecord")

_XDG = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")


@pytest.fixture(scope="session", autouse=True)
def _own_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings, keys and folders of the person who runs the tests are out of reach."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("TRACKRECORD_") or name.endswith("_API_KEY"):
                patch.delenv(name)
        home = tmp_path_factory.mktemp("home")
        for name in _XDG:
            patch.setenv(name, str(home / name.removeprefix("XDG_").lower()))
        yield


@pytest.fixture(scope="session", autouse=True)
def _signals_arrive() -> None:
    """Tests that a shell started in the background would ignore Ctrl-C, and so would every process they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """A connection that would leave this machine fails at once, and says so."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: tuple[str | Path, int]) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(str(address[0])):
            raise ConnectionRefusedError(f"a test tried to reach {address!r}: tests have no network")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
