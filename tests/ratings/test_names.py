"""Experience names: what counts as the same name."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recommender_job.ratings.names import canonical, tidy

BLANKS = " \t\n\u00a0\u2003\u3000"
SPANISH = st.text("abcxyzñáéíóúü ABCXYZÑÁÉÍÓÚÜ019&.-", max_size=30)


@pytest.mark.parametrize(
    ("written", "shown", "compared"),
    [
        ("Bono mercado 30", "Bono mercado 30", "bono mercado 30"),
        ("  Bono \t mercado\u00a030 ", "Bono mercado 30", "bono mercado 30"),
        ("CAFE\u0301 Doña", "CAFÉ Doña", "café doña"),
        ("Straße", "Straße", "strasse"),
        ("", "", ""),
        (" \t\u00a0\n", "", ""),
    ],
)
def test_shown_and_compared_spelling(written: str, shown: str, compared: str) -> None:
    assert tidy(written) == shown
    assert canonical(written) == compared


@pytest.mark.parametrize(
    ("one", "other"),
    [("Café", "Cafe"), ("Año", "Ano"), ("Bono 10", "Bono 1 0"), ("Bono 10", "Bono10"), ("Bono 10", "Bono 20")],
)
def test_names_that_differ_in_letters_digits_accents_or_word_breaks_stay_apart(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@given(st.text())
def test_canonical_and_tidy_are_idempotent(name: str) -> None:
    assert tidy(tidy(name)) == tidy(name)
    assert canonical(canonical(name)) == canonical(name)


@given(st.text())
@example("\u0390")  # casefolding takes it apart, and its capital into other parts
def test_canonical_is_composed_whatever_casefolding_takes_apart(name: str) -> None:
    assert unicodedata.is_normalized("NFC", canonical(name))


def test_capitals_that_casefolding_takes_apart_in_another_way() -> None:
    assert canonical("\u0390".upper()) == canonical("\u0390") == "\u0390"


@given(st.text())
def test_tidying_a_name_does_not_change_which_name_it_is(name: str) -> None:
    assert canonical(tidy(name)) == canonical(name)


@given(st.text(), st.sampled_from(["NFC", "NFD"]))
def test_composed_and_decomposed_letters_agree(name: str, form: str) -> None:
    assert canonical(unicodedata.normalize(form, name)) == canonical(name)


@given(SPANISH)
def test_case_variants_agree(name: str) -> None:
    assert canonical(name.upper()) == canonical(name.lower()) == canonical(name.swapcase()) == canonical(name)


@given(st.lists(SPANISH), st.data())
def test_blanks_variants_agree(words: list[str], data: st.DataObject) -> None:
    blanks = st.text(BLANKS, min_size=1, max_size=3)
    varied = "".join(data.draw(blanks) + word for word in words) + data.draw(blanks)
    assert canonical(varied) == canonical(" ".join(words))
    assert "  " not in canonical(varied)
    assert canonical(varied) == canonical(varied).strip()
