"""An estimate replicates what it overlaps, contradicts what it does not, and is compared with nothing else."""

from __future__ import annotations

import json

import pytest

from harness.data.datasets import ROOT
from harness.ledger.comparison import Comparison, compare, comparisons, published_verdict
from harness.sources.published import load_published
from harness.sources.table import Comparable
from harness.stats.resampling import Estimate

PLACE = ("gemma3", "refusal")


def estimate(low: float, high: float, unit: str = "trait points") -> Estimate:
    return Estimate((low + high) / 2, low, high, 120, unit)


def words(found: list[Comparison]) -> list[str]:
    return [one.word for one in found]


def test_an_overlapping_cosine_is_replicated_and_another_contradicted() -> None:
    (near,) = comparisons(
        "G3", "test_mean_diff_top1", *PLACE, estimate(0.99, 0.9957, "cosine")
    )  # published .996, so .9955 up
    (far,) = comparisons("G3", "test_mean_diff_top1", *PLACE, estimate(0.99, 0.9953, "cosine"))
    assert (near.word, far.word) == ("replicated", "contradicted")
    assert near.why == "published 0.996 [0.9955, 0.9965] and estimated [0.99, 0.9957] cosine overlap"
    assert far.why.endswith("lie apart")
    (above,) = comparisons("G3", "test_mean_diff_top1", *PLACE, estimate(0.9967, 1.0, "cosine"))
    assert above.word == "contradicted"


def test_ten_questions_leave_most_differences_open() -> None:
    (found, later) = comparisons("S7", "test_cleaned", *PLACE, estimate(-3, 3))
    assert (found.word, found.edition, found.published) == ("replicated", "2026-01-29", pytest.approx(24.4))
    assert found.why.endswith("; the published interval holds 0, too")
    assert later.edition == "2026-01-31"
    (far, _) = comparisons("S7", "test_cleaned", *PLACE, estimate(-30, -20))
    assert far.word == "contradicted"


def test_a_published_difference_that_excludes_zero_is_contradicted_by_zero() -> None:
    found = comparisons("P3", "", "gemma2", "refusal", estimate(-5, 5))[3:]
    assert words(found) == ["replicated", "replicated", "contradicted"]
    assert (found[2].edition, found[2].published_as) == ("2026-01-31", "REFUTED")
    assert not found[2].why.endswith("holds 0, too")


def test_another_model_trait_or_unit_is_not_comparable() -> None:
    whole = estimate(-100, 100)
    for model, trait, what in [
        ("severe", "refusal", "published for gemma3, estimated on severe"),
        ("gemma3", "sycophancy", "published for refusal, estimated for sycophancy"),
    ]:
        (found,) = comparisons("S1", "", model, trait, whole)
        assert (found.word, found.why) == ("not comparable", what)
    (found,) = comparisons("S1", "", *PLACE, estimate(-1, 1, "cosine"))
    assert found.why == "published in trait points, estimated in cosine"


def test_editions_and_models_are_kept_apart() -> None:
    found = comparisons("S5", "test_top1", *PLACE, estimate(0, 5))
    assert words(found) == ["replicated", "not comparable", "replicated"]
    assert [one.edition for one in found] == ["2026-01-29", "2026-01-29", "2026-01-31"]


def test_a_quantity_of_two_models_needs_both() -> None:
    for pair in ("gemma2+gemma3", "gemma3 and gemma2"):
        found = comparisons("M3", "", pair, "refusal", estimate(0, 5))
        assert words(found) == ["replicated"] * 4
    assert set(words(comparisons("M3", "", "gemma2", "refusal", estimate(0, 5)))) == {"not comparable"}
    lead_on_one = comparisons("M1", "", "gemma3+gemma2", "refusal", estimate(0, 5))
    assert set(words(lead_on_one)) == {"replicated"}
    assert set(words(comparisons("M1", "", "severe+mild", "refusal", estimate(0, 5)))) == {"not comparable"}


def test_prose_is_not_comparable() -> None:
    found = comparisons("C1", "", *PLACE, estimate(10, 18, "coherence points"))
    assert words(found) == ["not comparable", "not comparable"]
    assert found[0].why == "published only approximately: coherence of the first runs, from"


def test_shares_and_ratios_are_both_pure_numbers() -> None:
    for unit in ("share", "ratio"):
        (found,) = comparisons("G6", "", *PLACE, estimate(0.04, 0.05, unit))
        assert (found.word, found.unit) == ("replicated", "share")


def test_every_test_gets_what_was_published_for_it() -> None:
    for test, value in [("test_mean_diff_lies_mostly_inside", 0.887), ("probe is not orthogonal", 0.416)]:
        (found,) = comparisons("G5", test, *PLACE, estimate(0, 1, "share"))
        assert found.published == pytest.approx(value)
    (found,) = comparisons("G5", "test_something_else", *PLACE, estimate(0, 1, "share"))
    assert (found.word, found.why) == ("not comparable", "what was published under G5 belongs to other tests of it")


def test_where_nothing_was_published_it_is_new() -> None:
    assert comparisons("D1", "test_it", *PLACE, estimate(0, 1)) == [Comparison("new", "nothing was published under D1")]


def test_claims_about_published_numbers_are_compared_with_nothing() -> None:
    assert comparisons("A1", "test_it", "published", "-", estimate(0, 1, "ratio")) == []


def test_a_comparison_is_plain_json() -> None:
    for claim in ("S7", "D1"):
        for one in comparisons(claim, "", *PLACE, estimate(0, 5)):
            assert Comparison(**json.loads(json.dumps(one.to_json()))) == one


def test_touching_intervals_overlap() -> None:
    table = load_published()
    comparable = Comparable("G3", "q", {"value": "gemma3.refusal.cos.top1.probe"}, "SUPPORTED", "cosine", "gemma3")
    high = table["gemma3.refusal.cos.top1.probe"].rounded.high
    assert compare(comparable, *PLACE, estimate(high, 1.0, "cosine"), table).word == "replicated"


def test_every_comparable_of_the_table_replicates_itself_unless_it_is_prose() -> None:
    table, count = load_published(), 0
    for claim in table.comparables:
        for comparable in table.comparables[claim]:
            found = compare(comparable, "gemma3", "refusal", estimate(-1e6, 1e6, comparable.unit), table)
            assert found.word in ("replicated", "not comparable")
            assert found.low is not None
            assert found.high is not None
            assert found.low <= (found.published or 0) <= found.high
            count += 1
    assert count > 70


def test_every_test_that_is_named_exists() -> None:
    named = {
        (claim, one.test.replace(" ", "_"))
        for claim, rows in load_published().comparables.items()
        for one in rows
        if one.test
    }
    assert len(named) > 15
    for claim, test in sorted(named):
        (path,) = (ROOT / "claims").glob(f"test_{claim.lower()}_*.py")
        assert f"def test_{test}(" in path.read_text(encoding="utf-8"), f"{claim} has no test_{test}"


@pytest.mark.parametrize(
    ("claim", "test", "subject", "verdict"),
    [
        ("S5", "test_top1", ("gemma3", "refusal"), "SUPPORTED"),
        ("S5", "test_top1", ("gemma3", "sycophancy"), None),  # published for refusal
        ("S5", "test_top1", ("severe", "refusal"), None),  # published for gemma3
        ("S5", "test_top1", ("gemma2", "refusal"), None),  # only partly
        ("S5", "test_winsorised", ("gemma3", "refusal"), None),  # of another test
        ("S4", "test_mean_diff_works", ("gemma3", "refusal"), "SUPPORTED"),  # the log has the runs, not the write-up
        ("C2", "test_mean_diff", ("gemma3", "refusal"), "REFUTED"),
        ("M4", "test_probe_leads_on_both", ("gemma3+gemma2", "refusal"), "REFUTED"),
        ("E3", "test_probe", ("gemma3", "refusal"), None),
    ],
)
def test_what_the_first_edition_says_of_its_own_models_is_expected_of_them_alone(
    claim: str, test: str, subject: tuple[str, str], verdict: str | None
) -> None:
    assert published_verdict(claim, test, *subject) == verdict


def test_every_edition_has_its_own_say() -> None:
    assert published_verdict("S5", "test_top1", "gemma3", "refusal", "2026-01-31") == "REFUTED"
