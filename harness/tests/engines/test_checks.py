"""Adapters do what our engine does, a fault in one is noticed, and it is told in one sentence."""

from __future__ import annotations

import re
from importlib import metadata

import pytest

from harness.engines.bench import Bench, BlindCheck
from harness.engines.checks import AGREES, CHECKS, FAILS, Outcome, outcome_of
from harness.engines.naming import ENGINES, NoEngine, adapter_of
from harness.engines.plain_hooks import HooksEngine
from harness.engines.subjects import CHECKED_ON, bench_of
from harness.engines.table import FOLDER, scripts
from harness.tests.engines.planted_engines import OF_ANY_ADAPTER, OF_HOOKS, OnlyFloat32IsSteered


@pytest.fixture(scope="module")
def bench() -> Bench:
    return bench_of("llama")


def assert_noticed(outcome: Outcome) -> None:
    """A check found a disagreement of its own; the faulty adapter did not merely raise something."""
    assert outcome.word == FAILS
    assert not re.match(r"[A-Z]\w+: ", outcome.sentence)


@pytest.mark.parametrize("check", CHECKS)
def test_plain_hooks_do_what_our_engine_does(bench: Bench, check: str) -> None:
    outcome = outcome_of(check, HooksEngine, bench)
    assert outcome.word == AGREES, outcome.sentence


@pytest.mark.parametrize("fault", OF_ANY_ADAPTER)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_fault_in_any_adapter_is_noticed(bench: Bench, engine: str, fault: str) -> None:
    try:
        adapter = adapter_of(engine)
    except NoEngine as error:
        pytest.skip(str(error))
    plant, check = OF_ANY_ADAPTER[fault]
    assert outcome_of(check, adapter, bench).word == AGREES
    assert_noticed(outcome_of(check, plant(adapter), bench))


@pytest.mark.parametrize(("adapter", "check"), OF_HOOKS.items(), ids=lambda one: getattr(one, "__name__", one))
def test_a_fault_of_hooks_is_noticed(bench: Bench, adapter: type[HooksEngine], check: str) -> None:
    assert_noticed(outcome_of(check, adapter, bench))


def test_states_in_bfloat16_are_checked_too(bench: Bench) -> None:
    assert_noticed(outcome_of("capture bfloat16", OnlyFloat32IsSteered, bench))


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            "blocks are counted from 1",
            r"with coefficient [\d.]+ at block 3, prompt \d: at token \d+ \d+ came and \d+ was expected, "
            r"a logit [\d.]+ higher\.",
        ),
        ("a block that is not there is the last", r"a block that is not there raised nothing\."),
    ],
)
def test_a_failure_is_one_sentence_with_what_came_and_what_was_expected(
    bench: Bench, fault: str, sentence: str
) -> None:
    plant, check = OF_ANY_ADAPTER[fault]
    assert re.fullmatch(sentence, outcome_of(check, plant(HooksEngine), bench).sentence)


def test_an_answer_is_read_to_its_end(bench: Bench) -> None:
    prompt, reference = bench.prompts[0], bench.reference
    (answer,) = reference.answers([prompt], None, 4)
    logits = reference._read(prompt, answer, None)[0]
    second = int(logits[0].topk(2).indices[1])
    gap = float(logits[0].max() - logits[0, second])
    assert gap > 0.3
    assert f"at token 0 {second} came and {answer[0]} was expected" in reference.objection(prompt, [second], None, 4)
    assert reference.objection(prompt, answer, None, 4) == ""
    assert "the answer ended" in reference.objection(prompt, answer[:3], None, 4)
    assert "5 tokens came" in reference.objection(prompt, [*answer, answer[0]], None, 4)


def test_a_check_that_could_not_fail_is_no_agreement(bench: Bench) -> None:
    blind = Bench(bench.reference.decoder, bench._questions)
    blind.vectors[0] = 0
    with pytest.raises(BlindCheck, match="llama: no coefficient up to"):
        outcome_of("steered", HooksEngine, blind)


def test_an_engine_that_is_unknown_or_not_installed_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoEngine, match=r"^'rep' names no engine; known are ours, hooks, .*\.$"):
        adapter_of("rep")

    def absent(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", absent)
    with pytest.raises(NoEngine, match=r"not installed: pip install --no-deps repeng==0\.4\.0$"):
        adapter_of("repeng")
    assert adapter_of("hooks") is HooksEngine


def words_in_table(engine: str) -> dict[str, dict[str, str]]:
    """Outcomes by check and model, of the table that is committed."""
    rows = [line.split(" | ") for line in (FOLDER / f"{engine}.md").read_text(encoding="utf-8").splitlines()]
    _check, _required, *models = next(row for row in rows if row[0] == "| check")
    cells = {row[0].removeprefix("| "): row[2:] for row in rows if len(row) == 2 + len(models) and row[0] != "| check"}
    return {
        check: {model.rstrip(" |"): word.strip(" |*") for model, word in zip(models, words, strict=True)}
        for check, words in cells.items()
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_has_a_table_of_every_check_and_a_script_for_what_it_fails(engine: str) -> None:
    table = words_in_table(engine)
    assert list(table) == [*CHECKS]
    assert {model for words in table.values() for model in words} == {*CHECKED_ON}
    fails = any(word == FAILS for words in table.values() for word in words.values())
    assert [name for name in scripts(engine) if name in (FOLDER / f"{engine}.md").read_text()] == scripts(engine)
    assert fails == bool(scripts(engine))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_the_table_is_what_comes_of_the_checks(bench: Bench, engine: str) -> None:
    try:
        adapter = adapter_of(engine)
    except NoEngine as error:
        pytest.skip(str(error))
    table = words_in_table(engine)
    assert {check: outcome_of(check, adapter, bench).word for check in CHECKS} == {
        check: words["llama"] for check, words in table.items()
    }
