"""A real server on 127.0.0.1 that counts what it is asked, by idempotency key, and can kill who asks it."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class CountingServer:
    """Tools and the model of a child process ask it; a test looks at what it has counted.

    Attributes:
        sent: requests by (class of effect, key); a model's key is its path.
        done: those it has carried out; the rest it refused with 503.
        answers: what it gave, by key.
        fatal: (key's path, which request of that key): whoever sends it gets `signal` before it is answered.
        killed: of whom that has come true.
    """

    def __init__(self) -> None:
        self.sent: Counter[tuple[str, str]] = Counter()
        self.done: Counter[tuple[str, str]] = Counter()
        self.answers: dict[str, Any] = {}
        self.fatal: tuple[str, int] | None = None
        self.signal = signal.SIGKILL
        self.killed: list[tuple[str, int]] = []
        self._heard: set[str] = set()
        self.closing = threading.Event()  # what answers slowly is not waited for in the end
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"counting": self}))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._http.server_address[1])

    def close(self) -> None:
        """Listen no more."""
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def reset(self) -> None:
        """Forget everything that was counted."""
        with self._lock:
            self.sent.clear()
            self.done.clear()
            self.answers.clear()
            self._heard.clear()
            self.killed.clear()
            self.fatal, self.signal = None, signal.SIGKILL

    def unheard(self, path: str) -> None:
        """Refuse the next call there once more: nobody has heard that it was refused."""
        with self._lock:
            self._heard = {key for key in self._heard if path_of(key) != path}

    def answer(self, effect: str, key: str, pid: int, asked: dict[str, Any]) -> tuple[int, Any]:
        """Status and body for a request; counts it, unless it only asks what was done under a key."""
        with self._lock:
            if effect == "look":
                return 200, {"count": self.done["unsafe", key], "answer": self.answers.get(key)}
            if _is_gone(pid):  # what it had sent came only now: nothing happens, and nobody hears of it
                return 503, {"error": "busy"}
            self.sent[effect, key] += 1
            count = self.sent[effect, key]
            refuses = asked.get("refuse")
            is_refused = refuses == "always" or (refuses == "try" and "/try:" not in key)
            is_refused |= refuses == "call" and key not in self._heard
            if is_refused:
                self._heard.add(key)
            else:
                self.done[effect, key] += 1
                self.answers[key] = {"word": asked.get("word"), "kind": "big", "rows": [1, 2]}
            if self.fatal == (path_of(key), count):
                self.killed.append(self.fatal)
                os.kill(pid, self.signal)
            return (503, {"error": "busy"}) if is_refused else (200, self.answers[key])


def _is_gone(pid: int) -> bool:
    """Whether whoever asked has died and been waited for."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@contextmanager
def counting() -> Generator[CountingServer]:
    """A server for the length of a block."""
    server = CountingServer()
    try:
        yield server
    finally:
        server.close()


def path_of(key: str) -> str:
    """The path in an idempotency key, `run:path`; a run id has no colon."""
    return key.partition(":")[2] if key.count("-") >= 4 else key


class _Handler(BaseHTTPRequestHandler):
    counting: CountingServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        effect, key, pid = self.path[1:], self.headers["Idempotency-Key"], int(self.headers["X-Pid"])
        asked = json.loads(body)
        status, answer = self.counting.answer(effect, key, pid, asked)
        self.counting.closing.wait(asked.get("slow_ms", 0) / 1000)
        text = json.dumps(answer).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except OSError:  # who asked is dead
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
