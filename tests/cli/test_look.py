"""Columns, lines and colours of a page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackrecord.cli.escape import width
from trackrecord.cli.look import Column, Look, bar, paragraph, spread, table, wrapped

PLAIN = Look()


def test_columns_are_aligned_and_numbers_stand_right() -> None:
    """Headings stand over their columns; nothing trails."""
    columns = (Column(title="agent"), Column(title="runs", is_right=True))

    assert ["agent    runs", "a           1", "b日本  12,345"] == table(
        PLAIN, columns, [("a", "1"), ("b日本", "12,345")]
    )


def test_a_column_in_which_nothing_stands_is_left_out() -> None:
    """An empty column is no information."""
    columns = (Column(title="a"), Column(title="failed"), Column(title="b"))

    assert ["a  b", "1  2"] == table(PLAIN, columns, [("1", "", "2")])


def test_a_table_too_wide_is_cut_where_it_may_be() -> None:
    """Ids and numbers stay whole, names are cut."""
    columns = (Column(title="id"), Column(title="name", least=5), Column(title="n", is_right=True))

    lines = table(Look(width=30), columns, [("x" * 13, "n" * 60, "12,345")])

    assert "xxxxxxxxxxxxx  nnnnnn…  12,345" == lines[1]


def test_a_spare_column_goes_before_the_page_overflows() -> None:
    """Names are cut first; then the last column that can be spared is left out, and the others stay whole."""
    columns = [
        Column(title="name", least=4),
        Column(title="n", is_right=True),
        Column(title="more", is_spare=True),
        Column(title="most", is_spare=True),
    ]
    row = ("n" * 20, "1,234", "x" * 10, "y" * 10)

    assert [4, 3, 2] == [
        len(table(Look(width=columns_wide), columns, [row])[0].split()) for columns_wide in (40, 30, 15)
    ]
    assert "nnn…  1,234" == table(Look(width=11), columns, [row])[1]


def test_no_colour_means_no_escape() -> None:
    """A look without colour leaves text as it is."""
    assert "text" == PLAIN.paint("text", "red", "bold")
    assert "\x1b[31;1mtext\x1b[0m" == Look(has_colour=True).paint("text", "red", "bold")


@given(st.text(alphabet=st.sampled_from("ab日 \n"), max_size=200), st.integers(min_value=2, max_value=40))
def test_a_paragraph_fits_and_loses_no_letter(text: str, columns: int) -> None:
    """Every line fits; letters stay, in order."""
    lines = paragraph(text, columns)

    assert [] == [one for one in lines if width(one) > columns]
    assert text.replace(" ", "").replace("\n", "") == "".join(lines).replace(" ", "")


def test_a_paragraph_keeps_its_indent_and_breaks_long_words() -> None:
    """A line that goes on is indented as it began; what has no spaces is broken anyway."""
    assert ["  one two", "  three"] == paragraph("  one two three", 10)
    assert ["aaaa", "aaaa", "aa"] == paragraph("a" * 10, 4)


def test_facts_are_never_broken() -> None:
    """A fact that does not fit goes to the next line as a whole."""
    assert ["one · two", "three four"] == wrapped(("one", "", "two", "three four"), columns=12)


@pytest.mark.parametrize(("share", "text"), [(0, "░░░░"), (0.5, "██░░"), (1, "████"), (7, "████")])
def test_a_bar_never_leaves_its_place(share: float, text: str) -> None:
    """More than all is all."""
    assert text == bar(share, 4)


def test_two_ends_of_a_line_part_when_they_do_not_fit() -> None:
    """Never one on top of the other."""
    assert "left      right" == spread(Look(width=15), "left", "right")
    assert "left\nright" == spread(Look(width=10), "left", "right")
