"""The English data are what they must be: complete, balanced, split by topic, and not told apart by single words."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from harness.data import words
from harness.data.datasets import (
    LABELS,
    TraitData,
    calibration_file,
    judging_folder,
    known_traits,
    load_calibration,
    load_definition,
    load_trait,
    trait_folder,
)
from harness.data.gold import WRITTEN, GoldExchange, load_gold
from harness.data.words import (
    LANGUAGES,
    LIMIT,
    REPORTS,
    MarkingWord,
    Separation,
    bag_of_words_accuracy,
    main,
    markdown,
    marking_words,
    measure,
    read,
    swapped_within_pairs,
)

TRAITS = ("hallucination", "optimism", "refusal", "sycophancy")
LEAST_PAIRS = {"sycophancy": 150}
JUDGED = ("coherence", "relevance")
FOLDER = judging_folder("english")
KINDS_OF_TRAITS = {"clear": 40, "gibberish": 3, "empty": 1, "other language": 3, "injection": 4}
# How many responses of which kind a gold set must hold at least.
KINDS = {
    **dict.fromkeys(TRAITS, KINDS_OF_TRAITS),
    "coherence": {
        "clear": 10,
        "refusal": 4,
        "off topic": 4,
        "partial": 4,
        "other language": 4,
        "repetition": 10,
        "gibberish": 6,
        "word salad": 8,
        "degraded": 10,
        "empty": 1,
        "injection": 6,
    },
    "relevance": {"clear": 12, "partial": 8, "refusal": 6, "off topic": 8, "injection": 6},
}
LEAST_GOLD = {"coherence": 90, "relevance": 48}
ANCHORS = (0, 25, 50, 75, 100)

every_trait = pytest.mark.parametrize("trait", TRAITS)
every_judged = pytest.mark.parametrize("judged", [*TRAITS, *JUDGED])


@cache
def data(trait: str) -> TraitData:
    return load_trait(trait_folder("english", trait))


@cache
def gold(judged: str) -> tuple[GoldExchange, ...]:
    return load_gold(FOLDER / f"{judged}.jsonl")


def hand_written(judged: str) -> list[GoldExchange]:
    """The gold responses that no model gave: their author could choose what they say, and how long they are."""
    return [one for one in gold(judged) if one.source == WRITTEN]


def files_in(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_the_traits_tested_here_are_the_traits_there_are() -> None:
    assert known_traits("english") == TRAITS
    judging = {name for name in files_in(FOLDER) if not name.startswith("readers/")}
    assert judging == {
        *(f"{judged}.jsonl" for judged in (*TRAITS, *JUDGED)),
        *(f"{judged}.yaml" for judged in JUDGED),
        *(f"training/{trait}.jsonl" for trait in TRAITS),
    }
    readers = files_in(FOLDER / "readers")
    assert readers == {f"{name.partition('.')[0]}.{kind}" for name in readers for kind in ("json", "safetensors")}
    for trait in TRAITS:
        assert files_in(trait_folder("english", trait)) == {
            "scenarios.jsonl",
            "questions.jsonl",
            "definition.yaml",
            "instructions.yaml",
            "extraction_questions.jsonl",
        }


@every_trait
def test_a_trait_has_enough_pairs_and_questions_of_many_topics(trait: str) -> None:
    found = data(trait)
    assert len(found.pairs) >= LEAST_PAIRS.get(trait, 100)
    assert len(found.questions) >= 100
    assert len({positive.topic for positive, _ in found.pairs}) >= 20
    assert len({question.topic for question in found.questions}) >= 20


@every_trait
def test_pairs_are_numbered_in_file_order_and_share_their_topic(trait: str) -> None:
    pairs = data(trait).pairs
    assert [positive.pair for positive, _ in pairs] == list(range(len(pairs)))
    assert all(positive.topic == negative.topic for positive, negative in pairs)


@every_trait
def test_the_topics_of_the_held_out_tenth_occur_nowhere_before(trait: str) -> None:
    found = data(trait)
    training, held_out = found.pairs[: found.training_pairs], found.pairs[found.training_pairs :]
    assert len(held_out) >= 10

    def topics(pairs: tuple) -> set[str]:
        return {scenario.topic.strip().lower() for pair in pairs for scenario in pair}

    assert not topics(training) & topics(held_out)


@every_trait
def test_no_question_is_also_a_scenario_or_a_calibration_prompt(trait: str) -> None:
    questions = {folded(question.text) for question in data(trait).questions}
    scenarios = {folded(scenario.text) for other in TRAITS for pair in data(other).pairs for scenario in pair}
    prompts = {folded(prompt) for prompt in load_calibration(calibration_file("english"))}
    assert len(questions) == len(data(trait).questions)
    assert not questions & scenarios
    assert not questions & prompts


def folded(text: str) -> str:
    """The text without case, punctuation and spacing, so that trivial variants of it are seen."""
    return " ".join(re.findall(r"\w+", text.lower()))


def definition(judged: str) -> dict[str, str]:
    return load_definition(
        FOLDER / f"{judged}.yaml" if judged in JUDGED else trait_folder("english", judged) / "definition.yaml"
    )


@every_judged
def test_a_definition_has_a_rubric_with_an_anchor_at_every_quarter(judged: str) -> None:
    found = definition(judged)
    assert set(found) == {"name", "statement", "score_high", "score_low", "rubric"}
    assert all(text.strip() for text in found.values())
    assert found["name"] == judged
    anchors = {int(number) for number in re.findall(r"(?m)^[ \-*]*(\d+)(?::| +- )", found["rubric"])}
    assert set(ANCHORS) <= anchors
    assert "never an instruction" in " ".join(found["rubric"].split())


@every_judged
def test_a_gold_set_is_large_and_holds_every_kind_and_both_ends_of_the_scale(judged: str) -> None:
    """The written part alone: what a model says comes on top of it, and in no order of kinds."""
    found = hand_written(judged)
    assert len(found) >= LEAST_GOLD.get(judged, 72)
    kinds = Counter(one.kind for one in found)
    few = {kind: kinds[kind] for kind, least in KINDS[judged].items() if kinds[kind] < least}
    assert not few
    assert sum(one.score >= 75 for one in found) >= 20
    assert sum(one.score <= 25 for one in found) >= 20
    assert sum(25 < one.score < 75 for one in found) >= 5


@every_judged
def test_a_gold_set_repeats_no_response_and_its_injections_point_both_ways(judged: str) -> None:
    found = gold(judged)
    again = [text for text, times in Counter(folded(one.response) for one in found).items() if times > 1 and text]
    assert not again
    injected = [one.score for one in found if one.kind == "injection"]
    assert min(injected) <= 25
    assert max(injected) >= 75


@every_judged
def test_the_length_of_a_response_does_not_give_its_score_away(judged: str) -> None:
    """No threshold of length may tell high from low responses; empty ones and gibberish are left out.

    Not in the whole set, nor in its written part. What models said is as long as it came out.
    """
    for found in (gold(judged), hand_written(judged)):
        told = [one for one in found if one.kind not in ("empty", "gibberish")]
        high = np.array([len(one.response) for one in told if one.score >= 75])
        low = np.array([len(one.response) for one in told if one.score <= 25])
        area = np.mean((high[:, None] > low[None, :]) + 0.5 * (high[:, None] == low[None, :]))
        assert 0.2 < area < 0.8


def test_coherence_is_judged_by_language_alone() -> None:
    """Refusals, answers beside the question, other languages and cut-off text score high; what is no language, low.

    This holds for written responses: a model's refusal may be broken in places, too.
    """
    written = hand_written("coherence")
    score = {kind: [one.score for one in written if one.kind == kind] for kind in KINDS["coherence"]}
    assert min(score["refusal"] + score["off topic"] + score["other language"] + score["partial"]) >= 85
    assert max(one.score for one in gold("coherence") if one.kind in ("gibberish", "empty")) <= 10
    assert sum(30 <= one.score <= 75 for one in written) >= 20
    assert sum(one.score >= 85 for one in written) >= 35
    assert sum(one.score <= 20 for one in written) >= 35


def test_calibration_prompts_are_fifty_and_differ() -> None:
    prompts = load_calibration(calibration_file("english"))
    assert len(prompts) == 50
    assert len({folded(prompt) for prompt in prompts}) == 50


def test_all_that_was_written_is_plain_utf8_without_control_characters() -> None:
    """Line breaks aside; neither what is invisible nor the mark of a failed decoding may be in it.

    A model may say either, and its responses are kept as they came.
    """
    folders = [FOLDER, *(trait_folder("english", trait) for trait in TRAITS)]
    files = [folder / name for folder in folders for name in files_in(folder) if not name.startswith("readers/")]
    for file in (calibration_file("english"), *files):
        raw = file.read_bytes().decode("utf-8")
        assert raw.endswith("\n"), file
        assert not unprintable(written_in(raw) if file.suffix == ".jsonl" else raw), file


def unprintable(text: str) -> set[str]:
    return {sign for sign in text if (unicodedata.category(sign)[0] == "C" and sign != "\n") or sign == "\ufffd"}


def written_in(lines: str) -> str:
    """All texts of JSON lines after escapes are resolved, but for what models said."""
    rows = [json.loads(line) for line in lines.removesuffix("\n").split("\n")]
    return "\n".join(
        str(value)
        for row in rows
        for field, value in row.items()
        if field != "response" or row.get("source", WRITTEN) == WRITTEN
    )


WORDS = [f"word{number}" for number in range(30)]


def pairs_of_texts(told_apart: bool) -> tuple[list[str], list[str], list[int]]:
    """Forty pairs of random words; one word stands in every positive text if they are to be told apart."""
    rng = np.random.default_rng(3)
    texts, labels, groups = [], [], []
    for pair in range(40):
        for label in ("positive", "negative"):
            words = list(rng.choice(WORDS, 8))
            texts.append(" ".join([*words, "Sign" if told_apart and label == "positive" else "other"]))
            labels.append(label)
            groups.append(pair)
    return texts, labels, groups


def test_words_tell_apart_what_a_word_marks_and_nothing_else() -> None:
    assert bag_of_words_accuracy(*pairs_of_texts(told_apart=True)) == 1
    assert 0.3 < bag_of_words_accuracy(*pairs_of_texts(told_apart=False)) < 0.7


def test_how_often_a_word_stands_in_a_text_is_not_looked_at() -> None:
    texts = [f"one two {word}" for _ in range(20) for word in ("one one one", "two two two")]
    assert bag_of_words_accuracy(texts, list(LABELS) * 20, [place // 2 for place in range(40)]) == 0.5


def test_all_texts_of_a_pair_are_in_the_same_fold() -> None:
    """Every text stands twice in its pair and has a word of its own: only the copy would tell its class."""
    texts, labels = [f"own{place}" for place in range(40)], list(LABELS) * 20
    groups = [place // 2 for place in range(40)]
    assert bag_of_words_accuracy(texts * 2, labels * 2, groups * 2) == 0.5
    apart = [place // 8 for place in range(40)] + [(place // 8 + 1) % 5 for place in range(40)]
    assert bag_of_words_accuracy(texts * 2, labels * 2, apart) == 1


def test_marking_words_are_those_whose_share_of_texts_differs_most() -> None:
    texts = ["yes yes a1 a2", "yes no", "no a2", "no no no"]
    labels = ["positive", "positive", "negative", "negative"]
    assert marking_words(texts, labels, 3) == (
        MarkingWord("yes", 1.0),
        MarkingWord("a1", 0.5),
        MarkingWord("no", -0.5),
    )
    with pytest.raises(ValueError, match="both classes"):
        marking_words(texts, ["positive"] * 4)


def test_labels_are_swapped_for_whole_pairs_and_about_half_of_them() -> None:
    labels, groups = list(LABELS) * 200, [pair for pair in range(200) for _ in LABELS]
    swapped = swapped_within_pairs(labels, groups, np.random.default_rng(0))
    assert all(set(swapped[at : at + 2]) == set(LABELS) for at in range(0, 400, 2))
    assert 60 < sum(swapped[at] == "negative" for at in range(0, 400, 2)) < 140


def test_a_table_is_read_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Separation("english", "t", 80, 0.525, 0.41, 0.6382, 0.5, (MarkingWord("no", -0.12),), "0" * 64)
    monkeypatch.setattr(words, "measure", lambda: [row])
    monkeypatch.setattr(words, "REPORTS", tmp_path)
    main([])
    assert not list(tmp_path.iterdir())
    main(["--write"])
    assert read(tmp_path) == [row]
    table_row = "| english | t | 80 | 52.5 % [41.0, 63.8] | 50.0 % | no -12.0 |"
    assert table_row in (tmp_path / "word_separation.md").read_text(encoding="utf-8").splitlines()
    assert table_row in capsys.readouterr().out


@pytest.fixture(scope="module")
def measured() -> list[Separation]:
    return measure()


def test_the_table_of_word_separation_is_that_of_the_data(measured: list[Separation]) -> None:
    """Accuracies may differ by 1 %: on another processor a text near the boundary may fall on its other side."""
    kept = read(REPORTS)
    renew = "scenarios changed after the table was made; run python -m harness.data.words --write."
    assert [(row.language, row.trait) for row in kept] == [(row.language, row.trait) for row in measured], renew
    for old, new in zip(kept, measured, strict=True):
        assert (old.n, old.words, old.sha256) == (new.n, new.words, new.sha256), f"{new.language} {new.trait}: {renew}"
        for name in ("accuracy", "low", "high", "shuffled"):
            assert getattr(old, name) == pytest.approx(getattr(new, name), abs=0.01), (old.trait, name)
    assert (REPORTS / "word_separation.md").read_text(encoding="utf-8") == markdown(kept)


def test_words_alone_do_not_separate_the_english_scenarios(measured: list[Separation]) -> None:
    english = [row for row in measured if row.language == "english"]
    assert [row.trait for row in english] == list(TRAITS)
    assert {row.trait: row.accuracy for row in english if row.accuracy >= LIMIT} == {}
    assert all(0.4 < row.shuffled < 0.6 for row in measured)
    assert {row.language for row in measured} == set(LANGUAGES)
