"""Pure: a ridge regression that reads a score off a hidden state, calibrated, and missing where it was never trained.

Three steps, each fitted on labelled responses. The regression is of standardised features (Hoerl and Kennard 1970,
Technometrics 12:55), its block and penalty chosen by cross-validation that leaves whole questions out. Its
cross-validated predictions are stretched, since a ridge shrinks them towards the mean: so that low and high labels keep
their means, and so that 50 and 70, where something is decided, part the labels as they should. A response whose state
lies farther out than any of the training data, by the leverage that the regression gives it, has no score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from harness.shapes import checked

PENALTIES = tuple(float(10**power) for power in np.arange(0.0, 5.01, 0.5))
FOLDS = 10
CUTS = (50.0, 70.0)  # scores at which answers are counted, and coherence is gated
REACH = 1.5  # times the largest leverage of a training response that was left out; beyond, it is extrapolation
RANK = 64  # principal axes along which leverage is told apart
SMALLEST_SCALE = 1e-6  # of a feature that hardly varies
LOW, HIGH = 25.0, 75.0  # labels up to and from which a response counts as one without, or with, what is read
LEAST_GAP = 8.0  # points of prediction that neighbouring knots of the calibration lie apart, so that none is a cliff
HALVINGS = 50
NEARLY = 1.01  # times the smallest error: of blocks that do as well, the lowest is read, which is the cheapest


@dataclass(frozen=True, eq=False)
class Readout:
    """What turns features [rows, width] of one block into scores, all float64.

    mean, scale [width]: standardise. weights [width], intercept []: the regression.
    knots, scores [k]: the calibration, a broken line through (knots, scores), held at both ends.
    axes [rank, width], shrinkage [rank], ridge []: the leverage (see `leverage`); farthest []: the largest allowed.
    """

    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray
    knots: np.ndarray
    scores: np.ndarray
    axes: np.ndarray
    shrinkage: np.ndarray
    ridge: np.ndarray
    farthest: np.ndarray

    @checked
    def read(self, features: Float[np.ndarray, "rows width"]) -> Float[np.ndarray, rows]:
        """Scores from 0 to 100; NaN where the features are NaN, or where the reading would be an extrapolation."""
        standard = self._standard(features)
        found = np.interp(standard @ self.weights + self.intercept, self.knots, self.scores)
        return np.where(self.leverage(features) <= self.farthest, found, np.nan)

    @checked
    def leverage(self, features: Float[np.ndarray, "rows width"]) -> Float[np.ndarray, rows]:
        """How far out features lie: z' (Z'Z / n + a)^-1 z, of standardised ones, a being the penalty a row.

        Z'Z is taken along its first principal axes only, and as nothing along the others, so that what the training
        data never did counts in full.
        """
        standard = self._standard(features)
        along = standard @ self.axes.T
        return ((standard**2).sum(axis=1) - (along**2 * self.shrinkage).sum(axis=1)) / self.ridge

    def _standard(self, features: np.ndarray) -> np.ndarray:
        standard: np.ndarray = (features.astype(np.float64) - self.mean) / self.scale
        return standard

    def arrays(self) -> dict[str, np.ndarray]:
        """What to keep, by name; `Readout(**arrays)` is the same readout."""
        return {field.name: np.asarray(getattr(self, field.name), np.float64) for field in fields(self)}


@dataclass(frozen=True, eq=False)
class Fitted:
    """A readout with the block and penalty that were chosen for it, and its cross-validated scores [rows]."""

    readout: Readout
    block: int
    penalty: float
    held_out: np.ndarray
    errors: Mapping[int, float]  # root mean square of held-out predictions by block, at its best penalty


@checked
def fit(
    features: Mapping[int, Float[np.ndarray, "rows width"]],
    labels: Float[np.ndarray, rows],
    questions: Int[np.ndarray, rows],
) -> Fitted:
    """The readout of the lowest block whose cross-validated predictions are about as near to the labels as any.

    `features` by block; `questions` says which question each response answers. Rows whose features are not finite must
    be left out before. Raises ValueError for fewer questions than folds.
    """
    folds = folds_of(questions)
    tried = {block: _cross_validated(rows, labels, folds) for block, rows in features.items()}
    errors = {block: np.sqrt(((predicted - labels[:, None]) ** 2).mean(axis=0)) for block, predicted in tried.items()}
    least = min(float(error.min()) for error in errors.values())
    block = min(one for one, error in errors.items() if error.min() <= NEARLY * least)
    place = int(errors[block].argmin())
    held_out, rows = tried[block][:, place], features[block]
    knots, scores = calibration(held_out, labels)
    readout = _fitted(rows, labels, PENALTIES[place], knots, scores)
    left_out = [
        _fitted(rows[folds != fold], labels[folds != fold], PENALTIES[place], knots, scores).leverage(
            rows[folds == fold]
        )
        for fold in np.unique(folds)
    ]
    farthest = REACH * max(float(leverages.max()) for leverages in left_out)
    return Fitted(
        replace(readout, farthest=np.array(farthest)),
        block,
        PENALTIES[place],
        np.interp(held_out, knots, scores),
        {one: float(found.min()) for one, found in errors.items()},
    )


@checked
def folds_of(questions: Int[np.ndarray, rows], number: int = FOLDS) -> Int[np.ndarray, rows]:
    """The fold of every row: all responses to one question in one fold, folds of like size."""
    from sklearn.model_selection import GroupKFold

    if (count := len(np.unique(questions))) < number:
        raise ValueError(f"{count} questions do not fill {number} folds: label responses to more questions.")
    folds = np.zeros(len(questions), np.int64)
    for fold, (_, inside) in enumerate(GroupKFold(number).split(questions, groups=questions)):
        folds[inside] = fold
    return folds


def _cross_validated(rows: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Predictions [rows, penalties] for every row by regressions that saw no response to its question."""
    predicted = np.empty((len(rows), len(PENALTIES)))
    for fold in np.unique(folds):
        inside = folds == fold
        mean, scale = _standards(rows[~inside])
        standard, centre = (rows[~inside] - mean) / scale, labels[~inside].mean()
        # One decomposition serves every penalty, which scikit-learn's Ridge would repeat.
        left, values, right = np.linalg.svd(standard, full_matrices=False)
        projected = left.T @ (labels[~inside] - centre)
        weights = [right.T @ (values / (values**2 + penalty) * projected) for penalty in PENALTIES]
        predicted[inside] = ((rows[inside] - mean) / scale) @ np.stack(weights, axis=1) + centre
    return predicted


def _fitted(rows: np.ndarray, labels: np.ndarray, penalty: float, knots: np.ndarray, scores: np.ndarray) -> Readout:
    """A readout of these rows, which may lie as far out as they like."""
    from sklearn.linear_model import Ridge

    mean, scale = _standards(rows)
    standard = (rows - mean) / scale
    ridge = Ridge(alpha=penalty, solver="svd").fit(standard, labels)
    _, values, axes = np.linalg.svd(standard, full_matrices=False)
    kept, along = axes[:RANK], values[:RANK] ** 2 / len(rows)
    a_row = penalty / len(rows)
    return Readout(
        mean,
        scale,
        np.asarray(ridge.coef_, np.float64),
        np.array(float(ridge.intercept_)),
        knots,
        scores,
        kept,
        along / (along + a_row),
        np.array(a_row),
        np.array(np.inf),
    )


def _standards(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(rows.astype(np.float64))
    return scaler.mean_, np.maximum(scaler.scale_, SMALLEST_SCALE)


@checked
def calibration(
    predicted: Float[np.ndarray, rows], labels: Float[np.ndarray, rows], cuts: Sequence[float] = CUTS
) -> tuple[Float[np.ndarray, knots], Float[np.ndarray, knots]]:
    """Knots of prediction and the scores they stand for.

    Each cut is the prediction that parts labels below it from the others (`parting`). The ends, 0 and 100, lie where
    they give the responses labelled LOW or less, and those labelled HIGH or more, the mean that their labels have: so
    an effect keeps its size, though single scores are noisy. Raises ValueError where labels do not reach both.
    """
    low, high = labels <= LOW, labels >= HIGH
    if not (low.any() and high.any()) or predicted[high].mean() <= predicted[low].mean():
        raise ValueError(
            f"labels of {LOW:g} or less and of {HIGH:g} or more are needed, and held-out predictions that part them: "
            "label more responses."
        )
    middle: list[float] = []
    for cut in cuts:
        middle.append(max(parting(predicted, labels >= cut), middle[-1] + LEAST_GAP if middle else -np.inf))

    def scored(first: float, last: float) -> np.ndarray:
        return np.interp(predicted, [first, *middle, last], [0.0, *cuts, 100.0])

    reach = float(np.ptp(predicted)) + LEAST_GAP
    outermost = middle[0] - reach, middle[-1] + reach
    first = _where(
        lambda end: scored(end, outermost[1])[low].mean() <= labels[low].mean(), outermost[0], middle[0] - LEAST_GAP
    )
    last = -_where(
        lambda end: scored(first, -end)[high].mean() >= labels[high].mean(), -outermost[1], -middle[-1] - LEAST_GAP
    )
    return np.array([first, *middle, last]), np.array([0.0, *cuts, 100.0])


@checked
def parting(predicted: Float[np.ndarray, rows], above: Bool[np.ndarray, rows]) -> float:
    """The prediction that best parts rows that should lie above it from those that should not.

    It puts the fewest on the wrong side, counting what one side has more than the other by half again, so that neither
    is favoured because it is larger. Of places that do as well it is the middle of the widest gap.
    """
    order = np.argsort(predicted, kind="stable")
    ordered, right = predicted[order], above[order]
    lost_below = np.cumsum(right)[:-1]  # at the place after each row but the last
    lost_above = np.cumsum(~right[::-1])[::-1][1:]
    cost = lost_below + lost_above + np.abs(lost_below - lost_above) / 2
    gaps = np.where(cost == cost.min(), np.diff(ordered), -1.0)
    place = int(gaps.argmax())
    return float(ordered[place : place + 2].mean())


def _where(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The smallest number from `low` to `high` at which something holds that, once it does, goes on to; else `high`."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
