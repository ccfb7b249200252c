"""A made-up ledger as large as a real one: claims x (models x traits), pairs, arithmetic, and the sources' tables."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from harness.ledger.rows import PREDICTED, SCHEMA, Ledger, Row, Table, Value, estimate_json
from harness.ledger.verdict import Rule, at_least, story
from harness.stats.resampling import Estimate

MODELS = ("severe", "mild", "clean", "severe-bos", "late", "disturbed")
TRAITS = ("refusal", "sycophancy")
WORDS = ("replicated", "contradicted", "not comparable", "new")
STATEMENT = """S0. Zeroing only the most massive dim steers at least as well as zeroing all of them.

Mechanism: dims that nothing reads can be left in or taken out; what steers is the part outside them, and the dose grid
gives both versions the same amount of it.
Refuted if top-1 steers worse by more than MARGIN.
"""


def made_up_row(
    claim: str = "S5",
    model: str = "severe",
    trait: str = "refusal",
    verdict: str = "SUPPORTED",
    expected: str | None = None,
    *,
    basis: str = PREDICTED,
    first: tuple[Rule, str] | None = None,
    beside: Sequence[dict[str, object]] = (),
    value: float | None = 3.14159,
    half: float = 4.0,
    p: float | None = None,
    test: str = "test_it",
    rule: Rule | None = None,
    sentence: str = "top-1 cleaning steers as well as full cleaning",
    published: Sequence[dict[str, object]] = (),
) -> Row:
    """A row whose one expectation came to `value` with an interval of `half` either way, or to none.

    `first` is the rule that stood before a ledger was seen, and what it comes to.
    """
    rule = rule or at_least(-5.0)
    command = f'pytest "claims/test_{claim.lower()}_it.py::{test}[{model}-{trait}]"'
    estimate = None if value is None else Estimate(value, value - half, value + half, 120, "trait points")
    told = "" if estimate is None else story(
        claim=claim, sentence=sentence, model=model, trait=trait, quantity="gain", estimate=estimate, rule=rule,
        command=command,
    )  # fmt: skip
    entry: dict[str, object] = {
        "name": "gain", "estimate": estimate_json(estimate), "rule": rule.to_json(), "verdict": verdict, "story": told
    }  # fmt: skip
    if p is not None:
        entry["p"] = {"support": p if verdict != "REFUTED" else 1.0, "refute": p if verdict == "REFUTED" else 1.0}
    if first is not None:
        entry |= {"first_rule": first[0].to_json(), "first_verdict": first[1]}
    if beside:
        entry["beside"] = list(beside)
    return Row(
        claim, sentence, "steering", test, model, trait, verdict, expected, "built so" if expected else "", [entry],
        list(published), command, statement=STATEMENT, file=f"claims/test_{claim.lower()}_it.py",
        basis=basis if expected else "",
    )  # fmt: skip


def made_up_ledger(claims: int = 35, seed: int = 0) -> Ledger:
    """`claims` claims on six models and two traits, four pairs, seven rows of arithmetic, two tables a model."""
    dice = random.Random(seed)
    rows = []
    for count in range(claims):
        claim = f"{'CDGS'[count % 4]}{count // 4 + 1}"
        tests = ("test_mean_diff", "test_probe") if count % 9 == 0 else ("test_it",)
        usual = dice.choice(("SUPPORTED", "SUPPORTED", "REFUTED"))
        for test in tests:
            for model in MODELS:
                for trait in TRAITS:
                    verdict = dice.choices((usual, "SUPPORTED", "REFUTED", "INCONCLUSIVE"), (12, 1, 1, 1))[0]
                    rows.append(_row(dice, claim, test, model, trait, verdict))
    rows += [_row(dice, "L1", "test_it", pair, "refusal", "SUPPORTED") for pair in ("severe+mild", "severe+clean")]
    rows += [_row(dice, "L2", f"test_{one}", "late+clean", "refusal", "REFUTED") for one in ("dose", "share")]
    for count in range(7):
        rows.append(_row(dice, f"A{count // 2 + 1}", f"test_sum_{count}", "published", "-", "SUPPORTED", p=False))
    broken = made_up_row("C1", "clean", verdict="BROKEN", value=None, test="test_mean_diff")
    error = "OutOfMemoryError: planted"
    rows = [replace(broken, error=error, estimates=[]) if one.identity == broken.identity else one for one in rows]
    tables = [_table(dice, model, trait) for model in MODELS[:2] for trait in TRAITS]
    head = {
        "kind": "run", "schema": SCHEMA, "device": "cpu", "dtype": "float32", "key_version": 2,
        "libraries": {"numpy": "2.4.6", "torch": "2.13.0+cpu"}, "questions": 120, "seed": 0,
    }  # fmt: skip
    return Ledger(head, rows, tables)


def _row(dice: random.Random, claim: str, test: str, model: str, trait: str, verdict: str, *, p: bool = True) -> Row:
    value = {"SUPPORTED": 7.0, "REFUTED": -15.0, "INCONCLUSIVE": -4.0}[verdict] + dice.uniform(-1, 1)
    published = [
        {
            "word": WORDS[(len(model) + count) % 4], "why": "another model and another judge",
            "value": 28.8 - 4 * count, "sentence": "best Delta of mean_diff top-1", "unit": "trait points",
            "edition": edition, "model": "gemma3", "trait": "refusal", "source": "LOG step 10-11",
        }
        for count, edition in enumerate(("2026-01-29", "2026-03-01"))
    ]  # fmt: skip
    expected = dice.choice((None, None, "SUPPORTED", verdict)) if verdict != "INCONCLUSIVE" else None
    return made_up_row(
        claim, model, trait, verdict, expected, value=value, test=test, published=published,
        p=(dice.choice((1e-9, 1e-6, 0.001, 0.03)) if verdict != "INCONCLUSIVE" else 0.3) if p else None,
    )  # fmt: skip


def _table(dice: random.Random, model: str, trait: str) -> Table:
    rows: list[list[Value]] = [[f"block {block}", dice.uniform(0, 40), 90.0, None] for block in (1, 2, 3)]
    published = {"columns": ["block", "Delta"], "rows": [["block 1", 28.8], ["block 9", 3.5]], "edition": "2026-01-29"}
    return Table(
        "steps-10-11", "Best Delta by block", "LOG step 10-11", model, trait,
        ["block", "Delta", "coherence", "norm"], rows, published, "Blocks of another depth have no row beside theirs.",
    )  # fmt: skip
