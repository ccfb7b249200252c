"""A readout finds a planted score on questions it never saw, keeps the size of effects, and knows where it is blind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from harness.judges.quality import rank_correlation
from harness.judges.readout import HIGH, LOW, PENALTIES, Fitted, calibration, fit, folds_of, parting

QUESTIONS, EACH, WIDTH = 30, 6, 80
VARYING = 20  # directions along which states differ by more than noise
SHARED = np.random.default_rng(1).normal(size=(VARYING, WIDTH))
DIRECTION = np.random.default_rng(2).normal(size=WIDTH) * 0.02  # a point of score


@dataclass(frozen=True)
class Responses:
    """Responses: states to which the planted score is yet to be added, labels, and the questions that they answer."""

    states: np.ndarray
    labels: np.ndarray
    questions: np.ndarray

    def scored(self, strength: float = 1.0) -> np.ndarray:
        """States with the label along one direction, in dims whose scales differ as those of massive ones do."""
        return (self.states + strength * np.outer(self.labels, DIRECTION)) * np.geomspace(0.01, 1000, WIDTH) + 7


def responses(seed: int) -> Responses:
    """Responses whose states are for the most part those of their question."""
    random = np.random.default_rng(seed)
    questions = np.repeat(np.arange(QUESTIONS), EACH)
    of_question, of_response = random.normal(size=(QUESTIONS, VARYING)), random.normal(size=(len(questions), VARYING))
    states = (of_question[questions] + 0.1 * of_response) @ SHARED + 0.1 * random.normal(size=(len(questions), WIDTH))
    return Responses(states, random.choice([0.0, 10.0, 30.0, 55.0, 65.0, 80.0, 100.0], len(questions)), questions)


@pytest.fixture(scope="module")
def seen() -> Responses:
    return responses(3)


@pytest.fixture(scope="module")
def fitted(seen: Responses) -> Fitted:
    """Fitted on four blocks, of which block 5 holds the score and block 6 a trace of it."""
    blocks = {block: responses(block).scored(0.0) for block in (3, 9)}
    return fit({**blocks, 6: seen.scored(0.02), 5: seen.scored()}, seen.labels, seen.questions)


def test_a_planted_score_is_found_at_its_block_on_questions_left_out_and_on_new_ones(
    fitted: Fitted, seen: Responses
) -> None:
    assert fitted.block == 5
    assert rank_correlation(seen.labels, fitted.held_out) > 0.95
    assert all(error > 2 * fitted.errors[5] for block, error in fitted.errors.items() if block != 5)
    new = responses(4)
    read = fitted.readout.read(new.scored())
    there = np.isfinite(read)
    assert there.mean() > 0.9
    assert np.abs(read - new.labels)[there].mean() < 5


def test_the_lowest_of_blocks_that_do_as_well_is_read(seen: Responses) -> None:
    good = seen.scored()
    equal = fit({8: good, 4: good[:, ::-1].copy(), 2: seen.scored(0.0)}, seen.labels, seen.questions)
    assert equal.block == 4


def rank_left_out(seen: Responses, states: np.ndarray, labels: np.ndarray) -> float:
    """Of held-out scores with their labels; predictions so bad that nothing can be calibrated have none."""
    try:
        return rank_correlation(labels, fit({0: states}, labels, seen.questions).held_out)
    except ValueError as error:
        if "held-out predictions that part them" not in str(error):
            raise
        return 0.0


def test_shuffled_labels_give_no_rank(seen: Responses) -> None:
    shuffled = [np.random.default_rng(seed).permutation(seen.labels) for seed in range(4)]
    assert np.mean([rank_left_out(seen, seen.scored(), labels) for labels in shuffled]) < 0.15


def test_labels_that_go_with_the_question_alone_give_no_rank(seen: Responses) -> None:
    # Its state names the question, so that with other responses to it at hand the label would be known.
    ranks = []
    for seed in range(4):
        of_question = np.random.default_rng(seed).permutation(np.linspace(0, 100, QUESTIONS))
        ranks.append(rank_left_out(seen, seen.scored(0.0), of_question[seen.questions]))
    assert np.mean(ranks) < 0.15


def test_held_out_scores_and_penalty_are_those_of_the_librarys_own_ridge(seen: Responses) -> None:
    rows, split = seen.scored(), PredefinedSplit(folds_of(seen.questions))
    labels = np.clip(seen.labels + np.random.default_rng(9).normal(0, 25, len(rows)), 0, 100)
    fitted = fit({5: rows}, labels, seen.questions)

    def predicted(penalty: float) -> np.ndarray:
        return cross_val_predict(make_pipeline(StandardScaler(), Ridge(alpha=penalty)), rows, labels, cv=split)

    errors = [np.sqrt(((predicted(penalty) - labels) ** 2).mean()) for penalty in PENALTIES]
    assert fitted.errors == {5: pytest.approx(min(errors))}
    assert fitted.penalty == PENALTIES[int(np.argmin(errors))] not in (PENALTIES[0], PENALTIES[-1])
    expected = np.interp(predicted(fitted.penalty), fitted.readout.knots, fitted.readout.scores)
    np.testing.assert_allclose(fitted.held_out, expected, atol=1e-6)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(questions=st.lists(st.integers(0, 40), min_size=10, max_size=120), number=st.integers(2, 10))
def test_no_question_lies_in_two_folds_and_folds_are_of_like_size(questions: list[int], number: int) -> None:
    distinct = set(questions)
    if len(distinct) < number:
        with pytest.raises(ValueError, match=f"^{len(distinct)} questions do not fill {number} folds: [^.]*\\.$"):
            folds_of(np.array(questions), number)
        return
    folds = folds_of(np.array(questions), number)
    assert all(len({*folds[np.array(questions) == question]}) == 1 for question in distinct)
    sizes = np.bincount(folds, minlength=number)
    assert len(sizes) == number
    assert sizes.max() - sizes.min() <= max(map(questions.count, distinct))


def wrong_side(below: np.ndarray, labels: np.ndarray, cut: float) -> float:
    """Rows on the wrong side of a cut, what one side has more than the other counted half again."""
    low, high = int((~below & (labels < cut)).sum()), int((below & (labels >= cut)).sum())
    return low + high + abs(low - high) / 2


@settings(deadline=None, derandomize=True, max_examples=60)
@given(seed=st.integers(0, 10_000), shrunk=st.floats(0.7, 1.0), moved=st.floats(-20, 20), noise=st.floats(0.5, 4))
def test_calibrated_scores_keep_the_means_of_low_and_high_labels_and_part_50_and_70_as_labels_do(
    seed: int, shrunk: float, moved: float, noise: float
) -> None:
    random = np.random.default_rng(seed)
    labels = random.uniform(0, 100, 200)
    predicted = 50 + shrunk * (labels - 50) + moved + random.normal(0, noise, 200)
    knots, scores = calibration(predicted, labels)
    found = np.interp(predicted, knots, scores)
    for extreme in (labels <= LOW, labels >= HIGH):
        assert found[extreme].mean() == pytest.approx(labels[extreme].mean(), abs=0.5)
    for cut in (50, 70):
        best = min(wrong_side(predicted < place, labels, cut) for place in predicted)
        assert wrong_side(found < cut, labels, cut) == best
    assert (np.diff(found[np.argsort(predicted)]) >= 0).all()
    assert 0 <= found.min() < found.max() <= 100


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_lies_in_the_middle_of_the_widest_gap_and_where_there_is_none_it_favours_neither_side(
    share: float,
) -> None:
    for predicted in ([0.0, 1.0, 2.0, 9.0], [0.0, 7.0, 8.0, 9.0]):  # two places do as well
        assert parting(np.array(predicted), np.array([False, True, False, True])) in (3.5, 5.5)
    random = np.random.default_rng(0)
    above = np.arange(1000) < 1000 * share
    assert parting(np.where(above, 9.0, 1.0) + random.uniform(-1, 1, 1000), above) == pytest.approx(5, abs=0.1)
    overlapping = above + random.normal(0, 0.8, 1000)
    found = overlapping > parting(overlapping, above)
    assert found.mean() == pytest.approx(share, abs=0.02), "the rarer side is not given up"


@pytest.mark.parametrize("apart", [1.0, 12.0, 60.0])
def test_no_score_is_a_cliff_where_no_label_lies_between(apart: float) -> None:
    labels = np.repeat([0.0, 100.0], 40)
    predicted = labels * apart / 100 + np.random.default_rng(0).normal(0, 0.1, 80)
    knots, scores = calibration(predicted, labels)
    assert scores.tolist() == [0, 50, 70, 100]
    assert (np.diff(scores) / np.diff(knots) < 6.3).all(), "points of score for a point of prediction"


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [
        ([30.0, 60.0, 90.0, 100.0], [1.0, 2.0, 3.0, 4.0]),
        ([0.0, 10.0, 60.0, 70.0], [1.0, 2.0, 3.0, 4.0]),
        ([0.0, 10.0, 90.0, 100.0], [4.0, 3.0, 2.0, 1.0]),
    ],
)
def test_labels_of_one_side_and_predictions_the_wrong_way_round_are_an_error(
    labels: Sequence[float], predicted: Sequence[float]
) -> None:
    with pytest.raises(ValueError, match=r"^labels of 25 or less and of 75 or more are needed, [^.]*\.$"):
        calibration(np.array(predicted), np.array(labels))


def test_too_few_questions_are_an_error_that_says_what_to_do(seen: Responses) -> None:
    with pytest.raises(ValueError, match=r"^9 questions do not fill 10 folds: label responses to more questions\.$"):
        fit({0: seen.scored()}, seen.labels, seen.questions % 9)


def test_states_far_from_the_training_data_have_no_score_and_their_neighbours_do(
    fitted: Fitted, seen: Responses
) -> None:
    readout, rows = fitted.readout, seen.scored()
    off_the_data = np.linalg.svd((rows - readout.mean) / readout.scale)[2][-1]  # where nothing ever varied
    inside = rows[0]
    strange = np.stack(
        [
            inside,
            np.full(WIDTH, np.nan),
            readout.mean + 10 * (inside - readout.mean),
            inside,
            inside + 3 * off_the_data * readout.scale,
            np.where(np.arange(WIDTH) == 5, np.nan, inside),
            rows[1],
        ]
    )
    read = readout.read(strange)
    assert np.isnan(read).tolist() == [False, True, True, False, True, True, False]
    assert read[0] == read[3] == readout.read(rows[:1])[0]
    assert np.isfinite(readout.read(rows)).all(), "every training response lies inside"


def test_how_far_out_a_state_lies_is_its_leverage_in_the_ridge_regression(seen: Responses) -> None:
    rows = seen.scored()[:, :40]  # fewer dims than axes are told apart
    fitted = fit({0: rows}, seen.labels, seen.questions)
    features = np.concatenate([rows, responses(5).scored()[:, :40]])
    standard = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    inverse = np.linalg.inv((standard.T @ standard + fitted.penalty * np.eye(40)) / len(rows))
    asked = (features - rows.mean(axis=0)) / rows.std(axis=0)
    expected = np.einsum("ri,ij,rj->r", asked, inverse, asked)
    np.testing.assert_allclose(fitted.readout.leverage(features), expected, rtol=1e-6)
    assert (np.isnan(fitted.readout.read(features)) == (expected > fitted.readout.farthest)).all()
