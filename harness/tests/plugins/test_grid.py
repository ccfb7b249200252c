"""Cells come from one table, run model by model, and a selection that means nothing is an error."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fixtures.vocabulary import predicted, regression
from fixtures.workers import scope_of

Project = Callable[..., pytest.Pytester]

TWO_CLAIMS = {
    "test_a": """
        Q = MadeUp(3.0)
        pytestmark = claim("T5", "first", "steering", [Q])
        def test_first(expect):
            expect(Q, "gain").at_least(0)
    """,
    "test_b": """
        Q = MadeUp(4.0)
        pytestmark = claim("H1", "second", "geometry", [Q])
        def test_second(expect):
            expect(Q, "gain").at_least(0)
    """,
}


def collected(result: pytest.RunResult) -> list[str]:
    return [line.split("::")[1] for line in result.outlines if "::" in line]


def test_cells_run_model_by_model_across_claims(project: Project) -> None:
    result = project(**TWO_CLAIMS).runpytest("--collect-only", "-q")
    assert collected(result) == [
        "test_first[severe-refusal]",
        "test_second[severe-refusal]",
        "test_first[severe-sycophancy]",
        "test_second[severe-sycophancy]",
        "test_first[clean-refusal]",
        "test_second[clean-refusal]",
        "test_first[clean-sycophancy]",
        "test_second[clean-sycophancy]",
    ]


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["-m", "severe"], 4),
        (["-m", "refusal"], 4),
        (["-m", "severe and sycophancy"], 2),
        (["-m", "geometry"], 4),
        (["-m", "not (geometry or clean)"], 2),
        (["-k", "second"], 4),
        (["--claim", "T5"], 4),
        (["--claim", "T5,H1", "-m", "clean"], 4),
    ],
)
def test_markers_names_and_claims_select(project: Project, arguments: list[str], count: int) -> None:
    result = project(**TWO_CLAIMS).runpytest("--collect-only", "-q", *arguments)
    assert len(collected(result)) == count


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "sever"], "*unknown marker 'sever'; known: severe, mild, clean, *refusal*geometry*"),
        (["-m", "severe and flattery"], "*unknown marker 'flattery'; known:*"),
        (["--claim", "T55"], "*unknown claim T55; known here: H1, T5*"),
        (["--batch-rows", "0"], "*--batch-rows must be 1 or more*"),
        (["--plan", "-n", "2"], "*--plan runs nothing, so it takes no workers*"),
    ],
)
def test_an_unknown_name_is_an_error_that_names_the_known_ones(
    project: Project, arguments: list[str], message: str
) -> None:
    result = project(**TWO_CLAIMS).runpytest(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_an_expectation_of_a_cell_that_does_not_exist_is_an_error(project: Project) -> None:
    known = '@predicted("REFUTED", on="sevree", because="built so")\n        def test_first'
    run = project(test_a=TWO_CLAIMS["test_a"].replace("def test_first", known))
    result = run.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*predicted(on='sevree') names no model or cell*"])


@pytest.mark.parametrize("mark", [predicted, regression])
def test_only_a_decided_verdict_can_be_known(mark: Callable[..., pytest.MarkDecorator]) -> None:
    with pytest.raises(ValueError, match=rf"{mark.__name__}\('REFUTD'\): only SUPPORTED and REFUTED can be known"):
        mark("REFUTD", on="severe", because="a slip")


def test_nothing_selected_is_no_success(project: Project) -> None:
    assert project(**TWO_CLAIMS).runpytest("-k", "nowhere").ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_an_empty_grid_is_an_error(project: Project) -> None:
    run = project(**TWO_CLAIMS)
    source = (run.path / "conftest.py").read_text()
    empty = source.replace('{"severe": spec("severe"), "clean": spec("clean")}', "{}")
    assert empty != source
    (run.path / "conftest.py").write_text(empty)
    result = run.runpytest_subprocess()
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*the grid of models and traits is empty*"])


def test_each_model_is_prepared_once_and_freed_before_the_next(project: Project) -> None:
    run = project(
        **TWO_CLAIMS,
        test_z="""
        def test_events(lab):
            assert lab.events == []
        """,
    )
    (run.path / "conftest.py").write_text(
        (run.path / "conftest.py").read_text()
        + "\n\ndef pytest_sessionfinish():\n    print('EVENTS', FakeLab.events)\n"
    )
    result = run.runpytest_subprocess("-s")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*EVENTS [[]'prepare 0', 'release severe', 'prepare 0', 'release clean'[]]*"])


def test_under_xdist_a_model_stays_on_one_worker_even_if_nobody_asks_for_it(project: Project) -> None:
    result = project(**TWO_CLAIMS).runpytest_subprocess("-v", "-n", "2")
    assert result.ret == 0
    placed: dict[str, set[str]] = {}
    for line in result.outlines:
        if line.startswith("[gw"):
            placed.setdefault(line.rpartition("[")[2].split("-")[0], set()).add(line[:5])
    assert {model: len(workers) for model, workers in placed.items()} == {"severe": 1, "clean": 1}


@pytest.mark.parametrize(
    ("node_id", "scope"),
    [
        ("claims/test_a.py::test_a[severe-refusal]", "severe"),
        ("claims/test_a.py::test_a[severe-bos-refusal]", "severe-bos"),
        ("claims/test_a.py::test_a[severe+mild-refusal]", "severe"),
        ("claims/test_a.py::test_a[other-refusal]", "claims/test_a.py::test_a[other-refusal]"),
        ("claims/test_a.py::test_plain", "claims/test_a.py::test_plain"),
    ],
)
def test_the_scope_of_a_cell_is_its_model(node_id: str, scope: str) -> None:
    assert scope_of(node_id, ["severe", "severe-bos"]) == scope


@pytest.mark.parametrize("there", ["a file", "the old form"])
def test_a_store_that_cannot_be_used_is_told_once_before_any_test(project: Project, there: str) -> None:
    run = project(**TWO_CLAIMS)
    if there == "a file":
        run.path.joinpath("store").write_text("in the way")
    else:
        run.path.joinpath("store", "ab").mkdir(parents=True)
        run.path.joinpath("store", "ab", "0.json").write_text("{}")
    result = run.runpytest("--store", "store")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *store*--store DIR*"])


def test_a_name_that_controls_a_terminal_is_spelled_out(project: Project) -> None:
    run = project(**TWO_CLAIMS)
    run.path.joinpath(name := "st\x1b[2J\u202eore").write_text("in the way")
    result = run.runpytest("--store", name)
    assert r"st\x1b[2J\u202eore" in result.stderr.str()
    assert not {*"\x1b\u202e"} & {*result.stderr.str()}
