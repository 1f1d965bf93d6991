"""Reads: what runs left, as rows by column name. For the command line, parity and verify; never writes.

A reader sees one consistent state for as long as it is inside `snapshot()`. Times are stamps, unknown figures None.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from trackrecord.errors import BadInput, StoreUnusable, UnknownAgent, UnknownRun
from trackrecord.record.spans import Span, path_key
from trackrecord.store import codec, statements
from trackrecord.store.driver import Connection, driver
from trackrecord.store.sqlite import check_schema, connect, store_error
from trackrecord.tenancy import LOCAL_TENANT

Row = Mapping[str, Any]
MAX_LISTED = 100_000
LEAST_OF_AN_ID = 4  # less may mean anything


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs to list; None means any.

    Attributes:
        agent: name or id.
        since: stamp; runs accepted at or after it.
        limit: most rows, newest first.
    """

    agent: str | None = None
    engine: str | None = None
    status: str | None = None
    since: str | None = None
    limit: int = 50


def stream(connection: Connection, sql: str, given: Sequence[Any] = ()) -> Iterator[Row]:
    """The rows of a query on any connection, each by column name, one after the other."""
    cursor = connection.execute(sql, tuple(given))
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


class SqliteReader:
    """Reads one SQLite file."""

    def __init__(self, path: Path | str, *, tenant_id: str = LOCAL_TENANT) -> None:
        """Open an existing database for reading.

        Raises:
            StoreUnusable: there is none at that path, or it is not ours.
            SchemaTooNew: a newer version of this package wrote it.
        """
        self.path = Path(path)
        self.tenant_id = tenant_id
        if not self.path.exists():
            raise StoreUnusable(
                f"there is no database at {str(self.path)!r}",
                cure="Run an agent first, or name another database with --db.",
            )
        try:
            self._connection: Connection = connect(self.path, is_reader=True)
            check_schema(self._connection, self.path)
        except driver.Error as error:
            raise store_error(error, self.path) from error

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def __enter__(self) -> Self:
        """The reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """One consistent state for all reads inside."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    def rows(self, sql: str, given: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query, each by column name."""
        return list(self.stream(sql, given))

    def stream(self, sql: str, given: Sequence[Any] = ()) -> Iterator[Row]:
        """The rows of a query one after the other, for tables that may be large."""
        return stream(self._connection, sql, given)

    def tuples(self, sql: str, given: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query one after the other without names, for tables whose rows are many and read by `codec`."""
        return self._connection.execute(sql, tuple(given))

    def runs(self, wanted: RunFilter) -> list[Row]:
        """Runs, newest first.

        Raises:
            UnknownAgent: there is no such agent.
        """
        clauses, given = ["tenant_id = ?"], [self.tenant_id]
        if wanted.agent is not None:
            clauses.append("agent_id = ?")
            given.append(str(self.agent(wanted.agent)["id"]))
        for column, value in (("engine", wanted.engine), ("status", wanted.status)):
            if value is not None:
                clauses.append(f"{column} = ?")
                given.append(value)
        if wanted.since is not None:
            clauses.append("created_at >= ?")
            given.append(wanted.since)
        # columns and clauses are our own text; every value is bound
        sql = f"SELECT * FROM agent_executions WHERE {' AND '.join(clauses)} ORDER BY id DESC LIMIT ?"  # noqa: S608
        return self.rows(sql, [*given, min(wanted.limit, MAX_LISTED)])

    def execution(self, run: str) -> Row:
        """The row of a run by its id, by the beginning of its id, or `last`.

        Raises:
            UnknownRun: there is none, or the beginning fits more than one.
        """
        found = self._find_runs(run)
        if len(found) == 1:
            return found[0]
        if not found and len(run) < LEAST_OF_AN_ID:
            raise UnknownRun(
                f"{run!r} is too little of a run's id", cure=f"Give {LEAST_OF_AN_ID} characters or more, or `last`."
            )
        if not found:
            raise UnknownRun(
                f"there is no run {run!r}", cure="`trackrecord runs` lists them; the beginning of an id will do."
            )
        fits = " or ".join(str(one["id"]) for one in found)
        raise UnknownRun(f"{run!r} is the beginning of more than one run id", cure=f"Give more of it: {fits}.")

    def log(self, run_id: str) -> Row | None:
        """The log row of a run; None while it has not ended."""
        found = self.rows("SELECT * FROM agent_logs WHERE tenant_id = ? AND execution_id = ?", (self.tenant_id, run_id))
        return found[0] if found else None

    def spans(self, run_id: str) -> tuple[Span, ...]:
        """The spans of a run, in path order."""
        cursor = self._connection.execute(statements.SELECT_SPANS, (self.tenant_id, run_id))
        return tuple(sorted((codec.span(row) for row in cursor), key=lambda span: (path_key(span.path), span.attempt)))

    def payload(self, run_id: str, kind: str) -> Row | None:
        """The input or output of a run; None when there was none."""
        found = self.rows(
            "SELECT * FROM run_payloads WHERE tenant_id = ? AND run_id = ? AND kind = ?", (self.tenant_id, run_id, kind)
        )
        return found[0] if found else None

    def agents(self) -> list[Row]:
        """Every agent by name, with how many runs it has had."""
        return self.rows(
            """
            SELECT agents.*, coalesce(sum(agent_stats.run_count), 0) AS run_count,
                   coalesce(sum(agent_stats.success_count), 0) AS success_count,
                   max(agent_stats.last_run_at) AS last_run_at
              FROM agents LEFT JOIN agent_stats
                ON agent_stats.tenant_id = agents.tenant_id AND agent_stats.agent_id = agents.id
             WHERE agents.tenant_id = ? GROUP BY agents.tenant_id, agents.id ORDER BY agents.name, agents.id
            """,
            (self.tenant_id,),
        )

    def agent(self, name: str) -> Row:
        """An agent by name, id or the beginning of its id.

        Raises:
            UnknownAgent: there is none, or more than one fits.
        """
        found = self.rows(
            "SELECT * FROM agents WHERE tenant_id = ? AND (name = ? OR id = ?)", (self.tenant_id, name, name)
        ) or self.rows(
            "SELECT * FROM agents WHERE tenant_id = ? AND substr(id, 1, length(?)) = ?", (self.tenant_id, name, name)
        )
        if len(found) == 1:
            return found[0]
        known = ", ".join(repr(str(row["name"])) for row in self.agents()[:8]) or "none yet"
        trouble = "more than one agent fits" if found else "there is no agent"
        raise UnknownAgent(f"{trouble} {name!r}", cure=f"Agents here: {known}.")

    def stats(self, agent_id: str) -> list[Row]:
        """Statistics of an agent, a row per user."""
        return self.rows(
            "SELECT * FROM agent_stats WHERE tenant_id = ? AND agent_id = ? ORDER BY user_id",
            (self.tenant_id, agent_id),
        )

    def intensity(self, agent_id: str) -> Row | None:
        """Intensity metrics of an agent; None before its first run."""
        found = self.rows(
            "SELECT * FROM agent_intensity_metrics WHERE tenant_id = ? AND agent_id = ?", (self.tenant_id, agent_id)
        )
        return found[0] if found else None

    def copy_to(self, path: Path) -> None:
        """A consistent copy of the whole database in a new file, also while others write.

        Raises:
            BadInput: there is a file already.
        """
        if path.exists():
            raise BadInput(f"{str(path)!r} exists already", cure="Name a file that does not.")
        # query_only refuses to write even another file; this statement writes nothing in our own
        self._connection.execute("PRAGMA query_only = OFF")
        try:
            self._connection.execute("VACUUM INTO ?", (str(path),))
        finally:
            self._connection.execute("PRAGMA query_only = ON")

    def _find_runs(self, run: str) -> list[Row]:
        if run == "last":
            return self.rows(
                "SELECT * FROM agent_executions WHERE tenant_id = ? ORDER BY id DESC LIMIT 1", (self.tenant_id,)
            )
        exact = self.rows("SELECT * FROM agent_executions WHERE tenant_id = ? AND id = ?", (self.tenant_id, run))
        if exact or len(run) < LEAST_OF_AN_ID:
            return exact
        return self.rows(
            "SELECT * FROM agent_executions WHERE tenant_id = ? AND substr(id, 1, length(?)) = ? LIMIT 2",
            (self.tenant_id, run, run),
        )
