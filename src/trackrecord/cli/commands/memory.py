"""`trackrecord memory`: look at what is remembered of earlier runs, and look after it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from trackrecord.cli import terminal
from trackrecord.cli.commands.runs import read_limit
from trackrecord.cli.database import reader_of
from trackrecord.cli.pages.memory import memory_list, memory_page
from trackrecord.cli.typed import AsJson, Db
from trackrecord.cli.units import many
from trackrecord.cli.within import within
from trackrecord.clock import now, stamp
from trackrecord.errors import BadInput
from trackrecord.memory.entries import LearntKind
from trackrecord.store.memory_lists import MemoryFilter, StoredMemory, expired_count, listed, one
from trackrecord.tenancy import LOCAL_USER

if TYPE_CHECKING:
    from trackrecord.canonical import Json
    from trackrecord.store.reader import SqliteReader

_KINDS: Final = ("summary", "fact", "pattern")
_LIMIT: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What stood on the command line."""

    given: list[str]
    kind: str | None
    agent: str | None
    user: str | None
    run: str | None
    importance: str | None
    limit: str
    is_pinned: bool
    is_sure: bool
    db: str | None
    is_json: bool


def command(
    action: Annotated[
        str,
        typer.Argument(metavar="ACTION", help="list, show, add, pin, unpin, forget, erase, prune or consolidate"),
    ],
    given: Annotated[
        list[str] | None, typer.Argument(metavar="[ID… | TEXT]", help="ids, or their beginnings; of add the text")
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", metavar="KIND", help="summary, fact or pattern")] = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar="NAME", help="of this agent: its name or id")] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="of this user")] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="from this run: its id, or `last`")] = None,
    importance: Annotated[
        str | None, typer.Option("--importance", metavar="1-10", help="of add: how much it weighs")
    ] = None,
    limit: Annotated[str, typer.Option("--limit", "-n", metavar="N", help="of list: at most so many (20)")] = str(
        _LIMIT
    ),
    is_pinned: Annotated[bool, typer.Option("--pin", help="of add: keep it beyond its time")] = False,
    is_sure: Annotated[bool, typer.Option("--yes", help="of erase: do not ask")] = False,
    db: Db = None,
    is_json: AsJson = False,
) -> int:
    """Look at what is remembered of earlier runs, and look after it.

    `list` and `show` look. `add` keeps a fact about the user, or with --agent and --kind pattern a pattern of its work.
    `pin` keeps a memory beyond its time. `forget` deletes memories; `erase` takes their content out and leaves the
    figures, by id or for all of an agent, a user or a run. `prune` deletes what has expired, as every start does.
    `consolidate` merges equal facts and folds old summaries into one.
    """
    act = _ACTIONS.get(action)
    if act is None:
        near = get_close_matches(action, _ACTIONS, 1)
        meant = f"Did you mean {near[0]}? " if near else ""
        raise BadInput(f"there is no action {action!r}", cure=f"{meant}There are {', '.join(_ACTIONS)}.")
    return act(
        _Asked(
            given=given or [],
            kind=_kind(kind),
            agent=agent,
            user=user,
            run=run,
            importance=importance,
            limit=limit,
            is_pinned=is_pinned,
            is_sure=is_sure,
            db=db,
            is_json=is_json,
        )
    )


def _list(asked: _Asked) -> int:
    _take(asked, "list", 0, 0)
    most = read_limit(asked.limit)
    with reader_of(asked.db) as reader:
        wanted = MemoryFilter(
            kind=asked.kind,
            agent_id=None if asked.agent is None else str(reader.agent(asked.agent)["id"]),
            user_id=asked.user,
            run_id=_run_id(asked, reader),
            limit=most + 1,
        )
        found = listed(reader, wanted)
    rows = found[:most]
    if asked.is_json:
        terminal.say_json([row.to_json() for row in rows])
        return 0
    place = terminal.here()
    if rows:
        terminal.say(memory_list(rows, place.out, now()))
    else:
        is_narrowed = any((asked.kind, asked.agent, asked.user, asked.run))
        terminal.tell("no memory fits" if is_narrowed else "nothing is remembered yet")
    if len(found) > most:
        terminal.tell(place.err.dim(f"there are more: --limit {most * 5}"))
    return 0


def _show(asked: _Asked) -> int:
    [memory] = _take(asked, "show", 1, 1)
    with reader_of(asked.db) as reader:
        found = one(reader, memory)
    return _say(asked, found)


def _add(asked: _Asked) -> int:
    [text] = _take(asked, "add", 1, 1)
    kind = asked.kind or "fact"
    if kind == "summary":
        raise BadInput("a summary comes from a run, nobody adds one", cure="Add a fact or a pattern.")
    if asked.run is not None:
        raise BadInput("`memory add` takes no --run: a person says it, no run did", cure="Leave it out.")
    return _say(
        asked,
        within(
            asked.db,
            lambda tr: tr.memory.add(
                cast("LearntKind", kind),
                text,
                agent=asked.agent,
                user_id=asked.user or LOCAL_USER,
                importance=_importance(asked.importance),
                is_pinned=asked.is_pinned,
            ),
        ),
    )


def _pin(asked: _Asked) -> int:
    [memory] = _take(asked, "pin", 1, 1)
    return _say(asked, within(asked.db, lambda tr: tr.memory.pin(memory)))


def _unpin(asked: _Asked) -> int:
    [memory] = _take(asked, "unpin", 1, 1)
    return _say(asked, within(asked.db, lambda tr: tr.memory.pin(memory, is_pinned=False)))


def _forget(asked: _Asked) -> int:
    memories = _take(asked, "forget", 1, None)
    count = within(asked.db, lambda tr: tr.memory.forget(*memories))
    return _tell(asked, {"forgotten": count}, f"{_memories(count)} forgotten")


def _erase(asked: _Asked) -> int:
    memories = _take(asked, "erase", 0, None)
    with reader_of(asked.db) as reader:
        run_id = _run_id(asked, reader)
    if not memories and not asked.is_sure and any((asked.agent, asked.user, run_id)):
        _ask()
    done = within(
        asked.db,
        lambda tr: tr.memory.erase(*memories, agent=asked.agent, user_id=asked.user, run_id=run_id),
    )
    said = f", and the words of {many(done.feedback_count, 'feedback', 'feedbacks')}" if done.feedback_count else ""
    return _tell(asked, asdict(done), f"the content of {_memories(done.memory_count)}{said} is erased")


def _prune(asked: _Asked) -> int:
    _take(asked, "prune", 0, 0)
    with reader_of(asked.db) as reader:
        gone = expired_count(reader, stamp(now()))
    within(asked.db, lambda tr: tr.memory.prune())  # opening it has pruned it already
    return _tell(asked, {"pruned": gone}, f"{_memories(gone)} had expired and {'is' if gone == 1 else 'are'} gone")


def _consolidate(asked: _Asked) -> int:
    _take(asked, "consolidate", 0, 0)
    done = within(asked.db, lambda tr: tr.memory.consolidate(agent=asked.agent, user_id=asked.user))
    told = (
        f"{many(done.merged_count, 'fact or pattern', 'facts and patterns')} merged into equal ones, "
        f"{many(done.folded_count, 'summary', 'summaries')} folded into {done.made_count}"
    )
    return _tell(asked, asdict(done), told)


_ACTIONS: Final[dict[str, Callable[[_Asked], int]]] = {
    "list": _list,
    "show": _show,
    "add": _add,
    "pin": _pin,
    "unpin": _unpin,
    "forget": _forget,
    "erase": _erase,
    "prune": _prune,
    "consolidate": _consolidate,
}


def _take(asked: _Asked, action: str, least: int, most: int | None) -> list[str]:
    """What was given, if it is as many as the action takes."""
    count = len(asked.given)
    if count < least or (most is not None and count > most):
        what = {"add": "one text, in quotes", "show": "one id", "pin": "one id", "unpin": "one id"}.get(action)
        wanted = what or ("an id" if least else "nothing")
        raise BadInput(f"`memory {action}` takes {wanted}", cure="`trackrecord memory --help` shows how.")
    return asked.given


def _kind(kind: str | None) -> str | None:
    if kind is not None and kind not in _KINDS:
        raise BadInput(f"--kind {kind!r} is no kind of memory", cure=f"There are {', '.join(_KINDS)}.")
    return kind


def _importance(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:3]) <= 10:
        raise BadInput(f"--importance {text!r} is none", cure="Give a whole number from 1 to 10.")
    return int(text)


def _run_id(asked: _Asked, reader: SqliteReader) -> str | None:
    return None if asked.run is None else str(reader.execution(asked.run)["id"])


def _ask() -> None:
    """Let a person think twice; where nobody can be asked, --yes says it.

    Raises:
        BadInput: nobody was sure.
    """
    if sys.stdin.isatty() and sys.stderr.isatty():
        sys.stderr.write("This takes the content out for good. Erase it? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise BadInput("nothing was erased: nobody said that it is meant", cure="Add --yes.")


def _say(asked: _Asked, memory: StoredMemory) -> int:
    if asked.is_json:
        terminal.say_json(memory.to_json())
    else:
        terminal.say(memory_page(memory, terminal.here().out, now()))
    return 0


def _tell(asked: _Asked, figures: dict[str, Json], told: str) -> int:
    if asked.is_json:
        terminal.say_json(figures)
    else:
        terminal.say(told)
    return 0


def _memories(count: int) -> str:
    return many(count, "memory", "memories")
