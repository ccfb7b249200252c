"""Makes a direction from the activations of two classes of scenarios."""

import functools
import warnings
import zlib
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from harness.shapes import checked
from harness.stats.tails import CannotTell, NoValue

ROUNDING = 64 * np.finfo(np.float64).eps  # differences of means below this share of the means are rounding
PROBE_TOLERANCE = 1e-10  # largest entry of the loss gradient at which the probe counts as converged


class DegenerateDirection(NoValue, CannotTell):
    """There is no direction, as what should point somewhere has no length: no evidence for or against any."""


class NonFiniteActivations(ValueError):
    """Activations hold NaN or infinity; `rows` names the scenarios."""

    def __init__(self, what: str, rows: tuple[int, ...]) -> None:
        self.rows = rows
        super().__init__(
            f"Row {rows[0]} of the {what} activations holds NaN or infinity ({len(rows)} such rows): "
            "capture these scenarios again, in float32 or wider."
        )


@checked
def mean_diff(
    positive: Float[np.ndarray, "rows_pos hidden"], negative: Float[np.ndarray, "rows_neg hidden"]
) -> Float[np.ndarray, "hidden"]:
    """The mean positive minus the mean negative activation, as a unit vector in float64.

    Raises DegenerateDirection if the means agree to rounding, CannotTell if a class is empty and
    NonFiniteActivations if a row is not finite.
    """
    mean_positive = _rows(positive, "positive").mean(axis=0)
    mean_negative = _rows(negative, "negative").mean(axis=0)
    difference = mean_positive - mean_negative
    scale = max(np.abs(mean_positive).max(), np.abs(mean_negative).max())
    if np.abs(difference).max() <= ROUNDING * scale:
        raise DegenerateDirection(
            "mean_diff has no direction because both classes have the same mean activation: "
            "check that positive and negative scenarios differ."
        )
    return unit(difference)


@checked
def unit_mean_diff(
    positive: Float[np.ndarray, "rows_pos hidden"], negative: Float[np.ndarray, "rows_neg hidden"]
) -> Float[np.ndarray, "hidden"]:
    """mean_diff of the L2-normalised rows, so that no row counts for its length; what a probe tends to as C goes to 0.

    Errors as in `mean_diff`, and ValueError for a row of zeros.
    """
    return mean_diff(unit_rows(positive, "positive"), unit_rows(negative, "negative"))


@checked
def probe(
    positive: Float[np.ndarray, "rows_pos hidden"],
    negative: Float[np.ndarray, "rows_neg hidden"],
    regularisation_c: float | int = 1.0,
    max_iter: int = 1000,
) -> Float[np.ndarray, "hidden"]:
    """The weights of an L2 logistic regression on L2-normalised rows, pointing to the positive class, as a unit vector.

    As published (C = 1, rows not centred, an intercept that is fitted and not used), to a tighter tolerance. Raises
    DegenerateDirection if the classes cannot be told apart at all, NonFiniteActivations if a row is not finite,
    CannotTell if a class is empty, ValueError if a row is zero or the fit does not converge.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows = np.concatenate([unit_rows(positive, "positive"), unit_rows(negative, "negative")])
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    basis = None
    if rows.shape[1] > rows.shape[0]:  # the optimum lies in the span of the rows
        basis, coordinates = np.linalg.qr(rows.T)
        rows = coordinates.T
    solver = "lbfgs" if regularisation_c <= 1 else "newton-cholesky"  # L-BFGS stops short where the loss is steep
    model = LogisticRegression(C=regularisation_c, solver=solver, max_iter=max_iter, tol=PROBE_TOLERANCE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, labels)
    if model.n_iter_[0] >= max_iter:
        raise ValueError(f"The probe did not converge within {max_iter} iterations: raise max_iter or lower C.")
    weights = model.coef_[0] if basis is None else basis @ model.coef_[0]
    if np.linalg.norm(weights) <= 1e-9 * regularisation_c * len(rows):
        raise DegenerateDirection(
            "The probe has no direction because its classes cannot be told apart once rows are normalised: "
            "check that positive and negative scenarios differ."
        )
    return unit(weights)


@checked
def gradient(
    positive: Float[np.ndarray, "rows_pos hidden"],
    negative: Float[np.ndarray, "rows_neg hidden"],
    steps: int = 100,
    rate: float | int = 0.01,
    penalty: float | int = 0.01,
    seed: int = 0,
) -> Float[np.ndarray, "hidden"]:
    """The vector that Adam finds when it maximises the difference of the class means' projections, as a unit vector.

    The published third method: `steps` steps of `rate` from a random start (of unit norm here), on the difference
    of mean projections minus `penalty` times the vector's norm. Adam (Kingma & Ba 2015, with its usual .9 and .999)
    scales each dim by its own gradient, so that after few steps every dim has moved about equally far, massive or
    not. Errors as in `mean_diff`.
    """
    mean_diff(positive, negative)  # for its checks
    difference = _rows(positive, "positive").mean(axis=0) - _rows(negative, "negative").mean(axis=0)
    vector: np.ndarray = unit(np.random.default_rng(seed).standard_normal(len(difference)))
    first, second = np.zeros_like(vector), np.zeros_like(vector)
    for step in range(1, steps + 1):
        slope = difference - penalty * vector / np.linalg.norm(vector)
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope**2
        vector = vector + rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return unit(vector)


@checked
def random_direction(
    positive: Float[np.ndarray, "rows_pos hidden"], negative: Float[np.ndarray, "rows_neg hidden"], seed: int = 0
) -> Float[np.ndarray, "hidden"]:
    """A unit vector drawn evenly from all directions: the control that knows nothing. Only the rows' width counts."""
    drawn = np.random.default_rng([seed, negative.shape[1]]).standard_normal((1, positive.shape[1]))
    return unit(drawn[0])


@checked
def shuffled_probe(
    positive: Float[np.ndarray, "rows_pos hidden"], negative: Float[np.ndarray, "rows_neg hidden"], seed: int = 0
) -> Float[np.ndarray, "hidden"]:
    """The probe between two random halves that hold equally many rows of each class: it has seen the same rows.

    Labels dealt out freely would leave one half a few rows more of the trait; where classes lie far apart that alone
    turns the probe towards it (cosines of .9 were measured). One row of an odd class sits out. Errors as in `probe`.
    """
    rng = np.random.default_rng([seed, len(positive) + len(negative)])
    halves: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for rows in (_rows(positive, "positive"), _rows(negative, "negative")):
        half = len(rows) // 2
        dealt = rows[rng.permutation(len(rows))]
        halves[0].append(dealt[:half])
        halves[1].append(dealt[half : 2 * half])
    one, other = (np.concatenate(half) for half in halves)
    return probe(one, other)


DRAWN = ("random", "shuffled probe")  # controls that take a seed: every place where they are made has a draw of its own
REGULARISATIONS = (
    100.0,
    10_000.0,
    1_000_000.0,
)  # values of C beside the published 1, at which the probe is fitted, too
METHODS: dict[str, Callable[..., np.ndarray]] = {
    "mean_diff": mean_diff,
    "unit_mean_diff": unit_mean_diff,
    "probe": probe,
    **{f"probe C={c:.0f}": functools.partial(probe, regularisation_c=c) for c in REGULARISATIONS},
    "gradient": gradient,
    "random": random_direction,
    "shuffled probe": shuffled_probe,
}


VECTOR = "vector "  # begins the name of a method that is none: a vector that was made elsewhere


def vector_named(method: str) -> str | None:
    """The name of the vector that stands in a method's place; None for a method that fits."""
    return method.removeprefix(VECTOR) if method.startswith(VECTOR) else None


@checked
def given(
    positive: Float[np.ndarray, "rows_pos hidden"],  # noqa: ARG001
    negative: Float[np.ndarray, "rows_neg hidden"],  # noqa: ARG001
    vector: Float[np.ndarray, "hidden"],
) -> Float[np.ndarray, "hidden"]:
    """A vector that was made elsewhere, as a unit vector, whatever the rows; only their width has to be its own."""
    return unit(vector)


def method_at(name: str, *place: object, vector: np.ndarray | None = None) -> Callable[..., np.ndarray]:
    """A method as it is used at one place (model, trait, block ...): controls that are drawn get their own draw.

    `vector` is what a method that is none stands for (see `vector_named`).
    """
    if vector is not None:
        return functools.partial(given, vector=vector)
    if name not in DRAWN:
        return METHODS[name]
    return functools.partial(METHODS[name], seed=zlib.crc32(" ".join(map(str, (name, *place))).encode()))


@checked
def unit(vector: Float[np.ndarray, "hidden"]) -> Float[np.ndarray, "hidden"]:
    """The vector over its norm, in float64, whatever its scale; DegenerateDirection if it is zero or not
    finite."""
    largest = np.abs(vector).max(initial=0.0)
    if not (np.isfinite(largest) and largest > 0):
        raise DegenerateDirection(
            f"A vector whose largest entry is {largest} has no direction: check the activations it was made from."
        )
    scaled = vector.astype(np.float64) / np.float64(largest)
    return scaled / np.linalg.norm(scaled)


@checked
def cosine(one: Float[np.ndarray, "hidden"], other: Float[np.ndarray, "hidden"]) -> float:
    """The cosine of the angle between two vectors, in [-1, 1]; DegenerateDirection if either has no
    direction."""
    return float(np.clip(unit(one) @ unit(other), -1.0, 1.0))


def _rows(activations: np.ndarray, what: str) -> np.ndarray:
    if not activations.size:
        raise CannotTell(f"There are no {what} activations to make a direction from: add pairs of scenarios.")
    bad = np.flatnonzero(~np.isfinite(activations).all(axis=1))
    if bad.size:
        raise NonFiniteActivations(what, tuple(int(row) for row in bad))
    return activations.astype(np.float64)


def unit_rows(activations: np.ndarray, what: str) -> np.ndarray:
    """Every row over its L2 norm, in float64. Raises as `mean_diff` does, and ValueError for a row of zeros."""
    rows = _rows(activations, what)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    if not largest.all():
        row = int(np.flatnonzero(largest[:, 0] == 0)[0])
        raise ValueError(f"Row {row} of the {what} activations is zero and cannot be normalised: capture it again.")
    rows = rows / largest
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
