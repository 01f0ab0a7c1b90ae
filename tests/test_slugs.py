"""Folder names of teams: plain, unique, stable, inside their folder, whatever the teams are called."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.reporting.slugs import DEVICES, MAX_LENGTH, OWN_FILES, SLUG, assign_slugs, is_slug, slugify

NAMES = st.one_of(
    st.text(max_size=80),
    st.sampled_from(["North", "north", "NORTH", "é", "e\u0301", "CON", "con", "nul.txt", "", " ", "../../x", "a\x00b"]),
    st.text(alphabet="x", min_size=400, max_size=400),
)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("North", "north"),
        ("Zürich & Genève", "zurich-geneve"),
        ("../../x", "x"),
        ("CON", "team-con"),
        ("com1", "team-com1"),
        ("index", "team-index"),
        ("a\x00b", "a-b"),
        ("007", "007"),
        ("<script>alert(1)</script>", "script-alert-1-script"),
        ("=cmd|'/c calc'!A0", "cmd-c-calc-a0"),
        ("x" * 400, "x" * MAX_LENGTH),
    ],
)
def test_names_become_plain(name: str, slug: str) -> None:
    assert slugify(name) == slug


@pytest.mark.parametrize("name", ["", "   ", "東京", "\u202e", "/", "🙂"])
def test_a_name_without_letters_gets_a_mark_of_its_own(name: str) -> None:
    assert SLUG.fullmatch(slugify(name)) and slugify(name).startswith("team-")
    assert slugify(name) != slugify(name + "大")


@given(st.dictionaries(st.text(max_size=30), NAMES, max_size=12))
def test_slugs_are_plain_unique_and_inside_the_folder(names: dict[str, str]) -> None:
    slugs = assign_slugs(names)
    assert set(slugs) == set(names)
    assert len({slug.casefold() for slug in slugs.values()}) == len(names)
    for slug in slugs.values():
        assert SLUG.fullmatch(slug) and is_slug(slug) and slug not in DEVICES | OWN_FILES
        assert (Path("/out") / slug).resolve().parent == Path("/out")


@given(st.dictionaries(st.text(max_size=10), NAMES, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_slugs_do_not_depend_on_the_order_of_the_teams(names: dict[str, str], random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert assign_slugs({team: names[team] for team in shuffled}) == assign_slugs(names)


@given(
    st.dictionaries(st.text(max_size=10), NAMES, min_size=1, max_size=8),
    st.dictionaries(st.text(max_size=10), NAMES, max_size=4),
)
def test_a_team_keeps_its_slug_when_others_come_or_go(first: dict[str, str], more: dict[str, str]) -> None:
    before = assign_slugs(first)
    after = assign_slugs({**more, **first}, kept=before)
    assert {team: after[team] for team in first} == before
    assert len(set(after.values())) == len(after)


def test_a_renamed_team_keeps_its_folder() -> None:
    assert assign_slugs({"t1": "South"}, kept={"t1": "north"}) == {"t1": "north"}


def test_a_slug_in_use_is_not_given_to_a_newcomer() -> None:
    slugs = assign_slugs({"t1": "North", "t2": "North"}, kept={"t1": "north"})
    assert slugs["t1"] == "north" and slugs["t2"].startswith("north-")


def test_lookalikes_get_folders_of_their_own() -> None:
    composed, decomposed = "Orléans", unicodedata.normalize("NFD", "Orléans")
    assert composed != decomposed
    slugs = assign_slugs({"a": composed, "b": decomposed, "c": "ORLEANS"})
    assert len(set(slugs.values())) == 3


@pytest.mark.parametrize("kept", ["../up", "CON", "con", "a/b", "", "Ä", "index", "x" * 200])
def test_a_kept_slug_that_is_none_is_made_anew(kept: str) -> None:
    assert assign_slugs({"t1": "North"}, kept={"t1": kept}) == {"t1": "north"}
