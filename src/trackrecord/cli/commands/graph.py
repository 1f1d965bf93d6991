"""`trackrecord graph`: a workflow drawn, or how a run of one went. Runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trackrecord.cli import terminal
from trackrecord.cli.database import reader_of
from trackrecord.cli.target import Target, targets
from trackrecord.cli.typed import Db
from trackrecord.errors import BadInput

if TYPE_CHECKING:
    from trackrecord.cli.graph.node import Drawing

FORMATS: Final = ("mermaid", "svg")
_OUTPUT: Final = "--output"
_FILES: Final = (".yaml", ".yml", ".json")
_ENDINGS: Final = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid"}


def command(
    what: Annotated[
        str,
        typer.Argument(metavar="[AGENT.yaml | RUN]", help="an agent's file, or a run as `show` takes it, like `last`"),
    ] = "last",
    is_svg: Annotated[bool, typer.Option("--svg", help="the same as --format svg")] = False,
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="mermaid or svg; without it by the ending of FILE, else mermaid"),
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", _OUTPUT, metavar="FILE", help="write it there; - for standard output")
    ] = None,
    db: Db = None,
) -> int:
    """Draw the workflow of an agent, or how a run went: what waited for what, states, times, attempts, tokens.

    Mermaid is for Markdown pages, SVG for browsers. An agent without a workflow is drawn as the loop it goes through.
    """
    chosen = _format(is_svg=is_svg, form=form, output=output)
    wanted = targets([(_OUTPUT, output)]).get(_OUTPUT, Target(option=_OUTPUT, path=None))
    drawing = _of_agent(what) if _is_file(what) else _of_run(what, db)
    wanted.write(_drawn(drawing, chosen))
    return 0


def _format(*, is_svg: bool, form: str | None, output: str | None) -> str:
    if form is not None and form not in FORMATS:
        raise BadInput(f"there is no format {form!r}", cure=f"Give {' or '.join(FORMATS)}.")
    if is_svg and form not in (None, "svg"):
        raise BadInput(f"--svg and --format {form} contradict each other", cure="Give one of them.")
    if is_svg:
        return "svg"
    return form or _ENDINGS.get(Path(output or "").suffix.lower(), "mermaid")


def _is_file(what: str) -> bool:
    """Whether a file is meant: an id of a run has neither an ending nor a folder, and is no file."""
    return what.endswith(_FILES) or "/" in what or (what != "last" and Path(what).exists())


def _drawn(drawing: Drawing, form: str) -> str:
    if form == "svg":
        from trackrecord.cli.graph.svg import svg  # the layout: Mermaid has its own

        return svg(drawing)
    from trackrecord.cli.graph.mermaid import mermaid

    text = mermaid(drawing)
    for note in drawing.notes:
        terminal.tell(note)
    return text


def _of_agent(file: str) -> Drawing:
    from trackrecord.agent import Agent  # the whole grammar of steps: no list needs it
    from trackrecord.cli.graph.drawing import of_agent

    return of_agent(Agent.load(file))


def _of_run(run: str, db: str | None) -> Drawing:
    from trackrecord.cli.graph.drawing import of_run
    from trackrecord.cli.graph.reading import read_traced

    with reader_of(db) as reader:
        traced = read_traced(reader, run)
    return of_run(traced)
