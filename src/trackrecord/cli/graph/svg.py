"""A drawing as one SVG file that is complete in itself: no script, nothing loaded, light and dark. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Final

from trackrecord.cli.escape import line
from trackrecord.cli.graph import standing
from trackrecord.cli.graph.folding import folded
from trackrecord.cli.graph.layout import LABEL, LINE, PAD, SIGN, SIZES, SLANT, Box, Lane, lay
from trackrecord.cli.graph.letters import fit, text_width
from trackrecord.cli.graph.node import Drawing, Node, Shape, walk
from trackrecord.cli.graph.tag import Tag, number, style, tag
from trackrecord.cli.html.state import mood
from trackrecord.cli.signs import run_words

_SHEET: Final = "graph.css"
_MARGIN: Final = 24
_HEADING: Final = 20
_HEADING_ROOM: Final = 1_000
_SIGNS: Final[dict[Shape, str]] = {
    "step": "M2 3h10v8h-10z",
    "question": "M7 0.5l6.5 6.5l-6.5 6.5l-6.5 -6.5z",
    "repeat": "M12.5 7a5.5 5.5 0 1 1 -2 -4.2M10.8 0v3.2h-3.2",
    "fork": "M2 1v12M7 1v12M12 1v12",
    "person": "M7 6.5a2.8 2.8 0 1 0 -0.1 0M1.5 13.5c0 -6.5 11 -6.5 11 0",
    "clock": "M7 0.8a6.2 6.2 0 1 0 0.1 0M7 3.5v3.7l2.6 1.6",
    "child": "M0.5 0.5h13v13h-13zM4 4h6v6h-6z",
    "group": "M0.5 1.5h13v11h-13zM0.5 5h13",
    "more": "M2 7h0.1M7 7h0.1M12 7h0.1",
}
_MEANT: Final[dict[Shape, str]] = {
    "question": "decides",
    "repeat": "repeats",
    "fork": "side by side",
    "person": "waits for a person",
    "clock": "waits for a time",
    "child": "another run",
    "more": "folded",
}


def svg(drawing: Drawing) -> str:
    """The text of the file; bounded, and what is left out is said in it."""
    drawing = folded(drawing)
    lane = lay(drawing.body)
    head, top, wide = _head(drawing)
    foot, low, broad = _legend(drawing, top + lane.height)
    width = max(lane.width, wide, broad) + 2 * _MARGIN
    height = low + _MARGIN
    inside = [
        tag("title", line(drawing.title, 200), id="title"),
        tag("desc", " ".join((*drawing.facts, *drawing.notes)), id="desc"),
        style(_sheet()),
        tag("rect", class_="paper", width=width, height=height),
        *head,
        tag("g", _inside(lane, (width - lane.width) / 2, top)),
        *foot,
    ]
    root = tag(
        "svg",
        *inside,
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        aria_labelledby="title desc",
    )
    return f"{root.text}\n"


def _head(drawing: Drawing) -> tuple[list[Tag], float, float]:
    """What is written above the drawing, where it ends, and how wide it is."""
    y = _MARGIN + _HEADING
    title = fit(line(drawing.title, 400), _HEADING_ROOM, _HEADING)
    parts = [tag("text", title, x=_MARGIN, y=y, class_="heading")]
    wide = text_width(title, _HEADING)
    rows: list[tuple[str, str]] = [("fact", fact) for fact in drawing.facts]
    if drawing.state is not None:
        rows.insert(0, (f"state {mood(drawing.state)}", " ".join(run_words(drawing.state))))
    rows += [("note", note) for note in drawing.notes]
    for class_, text in rows:
        y += LINE + 2
        shown = fit(line(text, 2_000), _HEADING_ROOM, SIZES["kind"])
        parts.append(tag("text", shown, x=_MARGIN, y=y, class_=class_))
        wide = max(wide, text_width(shown, SIZES["kind"]))
    return parts, y + 8, wide


def _legend(drawing: Drawing, y: float) -> tuple[list[Tag], float, float]:
    """What the signs mean that are in the drawing, where that ends, and how wide it is."""
    used = {node.shape for node in walk(drawing.body)}
    x, y = float(_MARGIN), y + LINE
    parts: list[Tag] = []
    for shape, meaning in _MEANT.items():
        if shape in used:
            parts.append(_sign(shape, x, y - 12))
            parts.append(tag("text", meaning, x=x + SIGN, y=y, class_="fact"))
            x += SIGN + text_width(meaning, SIZES["kind"]) + 18
    return parts, y if parts else y - LINE, x - _MARGIN


def _inside(lane: Lane, x: float, y: float) -> Iterator[Tag]:
    """The lines of a lane, then its boxes, which cover their ends."""
    for wire in lane.wires:
        yield from _wire([(x + one, y + other) for one, other in wire.points], wire.end.node)
    for box in lane.boxes:
        yield _box(box, x + box.x, y + box.y)


def _wire(points: list[tuple[float, float]], end: Node | None) -> Iterator[Tag]:
    (x, y), *rest = points
    drawn = [f"M{number(x)} {number(y)}"]
    for place, (to_x, to_y) in enumerate(rest):
        if place % 2 == 0:
            drawn.append(f"V{number(to_y)}")
        else:
            half = (y + to_y) / 2
            drawn.append(f"C{number(x)} {number(half)} {number(to_x)} {number(half)} {number(to_x)} {number(to_y)}")
        x, y = to_x, to_y
    kind = " maybe" if end is not None and end.is_conditional else ""
    unused = " unused" if end is not None and end.standing is not None and end.standing.state == "unreached" else ""
    yield tag("path", d="".join(drawn), class_=f"wire{kind}{unused}")
    head = f"{number(x)},{number(y)} {number(x - 4.5)},{number(y - 8)} {number(x + 4.5)},{number(y - 8)}"
    yield tag("polygon", points=head, class_=f"head{unused}")


def _box(box: Box, x: float, y: float) -> Tag:
    node = box.node
    if node is None:
        frame = tag("rect", x=x, y=y, width=box.width, height=box.height, rx=10, class_="grid")
        return tag("g", frame, [_lane(lane, x, y, None) for lane in box.lanes])
    told = "\n".join(one.full for one in box.lines if one.full)
    slant = SLANT if node.shape in ("person", "clock", "child") else 0
    left = x + PAD + slant
    texts: list[Tag] = []
    baseline = y + 9 + 13.0
    for one in box.lines:
        is_title = one.role == "title"
        texts.append(tag("text", one.text, x=left + (SIGN if is_title else 0), y=baseline, class_=one.role))
        baseline += LINE
    sign = _sign(node.shape, left, y + 10)
    lanes = [_lane(lane, x + lane.x, y + lane.y, node) for lane in box.lanes]
    return tag("g", tag("title", told), _outline(box, x, y), sign, texts, lanes, class_=_class(node))


def _lane(lane: Lane, x: float, y: float, node: Node | None) -> Tag:
    """What a node holds; without one what a grid does, which has a frame already."""
    frame = label = None
    if node is not None:
        detour = " detour" if lane.arm.is_detour else ""
        frame = tag("rect", x=x, y=y, width=lane.width, height=lane.height, rx=8, class_=f"lane{detour}")
    if lane.label:
        label = tag("text", lane.label, x=x + 12, y=y + LABEL - 6, class_="label")
    return tag("g", frame, label, _inside(lane, x, y))


def _outline(box: Box, x: float, y: float) -> list[Tag]:
    """The shape of a box; one that holds others is a frame whatever it is."""
    node, width, height = box.node, box.width, box.height
    if node is None or box.lanes:
        return [tag("rect", x=x, y=y, width=width, height=height, rx=12, class_="shape frame")]
    match node.shape:
        case "person":
            middle = y + height / 2
            corners = (
                (x, middle),
                (x + SLANT, y),
                (x + width - SLANT, y),
                (x + width, middle),
                (x + width - SLANT, y + height),
                (x + SLANT, y + height),
            )
            points = " ".join(f"{number(one)},{number(other)}" for one, other in corners)
            return [tag("polygon", points=points, class_="shape")]
        case "clock":
            return [tag("rect", x=x, y=y, width=width, height=height, rx=min(height / 2, 24), class_="shape")]
        case "child":
            inner = tag("rect", x=x + 5, y=y + 5, width=width - 10, height=height - 10, rx=4, class_="shape")
            return [tag("rect", x=x, y=y, width=width, height=height, rx=8, class_="shape"), inner]
        case _:
            return [tag("rect", x=x, y=y, width=width, height=height, rx=8, class_="shape")]


def _sign(shape: Shape, x: float, y: float) -> Tag:
    return tag("path", d=_moved(_SIGNS[shape], x, y), class_="sign")


def _moved(path: str, x: float, y: float) -> str:
    """A path whose absolute moves start elsewhere; all its other commands are relative."""
    starts = path.split("M")[1:]
    moved: list[str] = []
    for one in starts:
        head, rest = _first_pair(one)
        moved.append(f"M{number(x + head[0])} {number(y + head[1])}{rest}")
    return "".join(moved)


def _first_pair(text: str) -> tuple[tuple[float, float], str]:
    end = next(place for place, character in enumerate(text) if character.isalpha())
    first, second = text[:end].split()
    return (float(first), float(second)), text[end:]


def _class(node: Node) -> str:
    names = [node.shape] if node.shape == "more" else []
    if node.standing is not None:
        names.append(_mood(node.standing.state))
        if node.standing.state == "unreached":
            names.append("unreached")
    return " ".join(names) or "plain"


def _mood(state: standing.State) -> str:
    return "calm" if state == "unreached" else mood(state)


@cache
def _sheet() -> str:
    return files("trackrecord.cli.graph").joinpath(_SHEET).read_text("utf-8")
