"""Consolidating: which memories are the same, and what stands for many runs."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from trackrecord.memory.consolidating import Learnt, folded_text, merges, trouble_in
from trackrecord.memory.summary import MAX_CHARACTERS

ONE = Learnt(
    id="1",
    owner=("fact", "u", ""),
    text="Likes tea.",
    importance=5,
    created_at="2026-01-01",
    expires_at="2026-04-01",
    is_pinned=False,
    repeat_count=0,
)
learnt = st.builds(
    replace,
    st.just(ONE),
    owner=st.sampled_from([("fact", "u", ""), ("fact", "v", ""), ("pattern", "u", "a")]),
    text=st.sampled_from(["Likes tea.", "likes  tea", "LIKES TEA!", "Likes cake."]),
    importance=st.integers(1, 10),
    created_at=st.sampled_from(["2026-01-01", "2026-01-02"]),
    is_pinned=st.booleans(),
    repeat_count=st.integers(0, 3),
)


@given(st.lists(learnt, max_size=12))
def test_merging_loses_no_memory_and_no_count(found: list[Learnt]) -> None:
    """What stays and what goes are all there were, told apart by owner and words; how often it was said adds up."""
    found = [replace(one, id=str(place)) for place, one in enumerate(found)]
    by_id = {one.id: one for one in found}
    done = merges(found)
    gone = [memory_id for merge in done for memory_id in merge.gone_ids]
    assert len(gone) == len(set(gone))
    for merge in done:
        group = [by_id[memory_id] for memory_id in (merge.kept_id, *merge.gone_ids)]
        assert 1 == len({(one.owner, one.text.casefold().replace("  ", " ").rstrip(".!")) for one in group})
        assert sum(one.repeat_count + 1 for one in group) == merge.repeat_count + 1
        assert (max(one.importance for one in group), any(one.is_pinned for one in group)) == (
            merge.importance,
            merge.is_pinned,
        )
        assert by_id[merge.kept_id].created_at == max(one.created_at for one in group)
    left = [one for one in found if one.id not in gone]
    assert [] == merges(left)


def test_many_runs_become_one_sentence() -> None:
    """How many ended how, the commonest cause first, and the last trouble among them."""
    endings = {
        ("completed", None): 30,
        ("failed", "tool_failed"): 4,
        ("failed", "loop_detected"): 1,
        ("cancelled", "user"): 2,
    }
    assert (
        "Of 37 earlier runs 30 completed, 5 failed (tool_failed 4, loop_detected 1), 2 were cancelled (user 2). "
        "Last trouble: Failed (tool_failed): no mail."
    ) == folded_text(endings, "Failed (tool_failed): no mail.")
    assert "Of 1 earlier run 1 completed." == folded_text({("completed", None): 1}, None)


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["completed", "failed", "timed_out"]), st.text(max_size=200)),
        st.integers(1, 9),
        min_size=1,
    ),
    st.none() | st.text(max_size=900),
)
def test_what_stands_for_many_is_no_longer_than_a_summary(
    endings: dict[tuple[str, str | None], int], trouble: str | None
) -> None:
    """Whatever the causes are called and however much the last trouble said."""
    assert len(folded_text(endings, trouble)) <= MAX_CHARACTERS


def test_trouble_is_found_again() -> None:
    """What was told of before is told on when nothing new went wrong."""
    text = folded_text({("completed", None): 1}, "Failed: no mail.")
    assert ("Failed: no mail.", None) == (trouble_in(text), trouble_in("Of 1 earlier run 1 completed."))
