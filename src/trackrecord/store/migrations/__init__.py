"""Migrations: the only way a database gets or changes its tables. Run when the store opens an older or empty file.

Imported only then: SQLAlchemy and Alembic cost 0.4 s. A migration is frozen once released and never imports `schema`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from trackrecord import failpoints
from trackrecord.store.driver import driver

DIRECTORY: Final = Path(__file__).parent


def script() -> ScriptDirectory:
    """The chain of revisions."""
    return ScriptDirectory(str(DIRECTORY))


def upgrade_sqlite(connect: Callable[[], driver.Connection]) -> None:
    """Bring a SQLite database up to date in one transaction: all of it or nothing, and only one process at a time.

    `connect` makes a connection that this may close.
    """
    engine = create_engine("sqlite://", module=driver, creator=connect, poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            upgrade(connection)
            failpoints.reach("migrate.precommit")
            connection.commit()
    finally:
        engine.dispose()


def upgrade(connection: Connection) -> None:
    """Run every revision that the database lacks, inside the caller's transaction."""
    revisions = script()

    def missing(revision: Any, _: Any) -> Any:
        return revisions._upgrade_revs("head", revision)  # pyright: ignore[reportPrivateUsage]  # as in Alembic's cookbook

    with EnvironmentContext(Config(), revisions, fn=missing) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()
