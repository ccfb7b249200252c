"""The bench of a decoder of true size: built in place as the library would, measured as far as it says."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from harness.bench import __main__ as command
from harness.bench import limits, made_up, shape
from harness.bench.made_up import SHAPES
from harness.bench.shape import Amounts
from harness.decoding.generation import Generated
from harness.decoding.steering import Steered
from harness.lab import costs
from harness.lab.costs import CPU, H100, Work
from harness.models.architecture import from_config
from harness.models.hooks import recorded_blocks

TINY = [name for name in SHAPES if name.startswith("tiny")]
WHOLE = Amounts(scenarios=200, window=20, groups=80, questions=20, new_tokens=64)
FEW = Amounts(scenarios=3, window=2, groups=4, questions=2, new_tokens=3)


@pytest.fixture
def known_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of the machine that need no measuring."""
    fast = replace(CPU, name="this machine as measured", bandwidth=2 * CPU.bandwidth)
    monkeypatch.setattr(shape, "measured_limits", lambda _dtype, _device: fast)


def test_the_limits_of_this_machine_are_of_a_computer() -> None:
    """Between a hundredth of a gigabyte or operation a second and the fastest accelerator there is."""
    found = limits.measured_limits("float32", "cpu")
    assert 1e7 < found.bandwidth < 1e13
    assert 1e7 < found.float32_flops < 1e15
    assert 1e9 < found.memory < 1e14
    assert found.launch_seconds == 0.0


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_becomes_a_configuration_of_exactly_its_sizes(name: str) -> None:
    assert from_config(made_up.config_of(SHAPES[name])) == SHAPES[name]


@pytest.mark.parametrize("name", TINY)
def test_a_decoder_made_in_place_has_the_buffers_and_norms_of_one_made_by_the_library(name: str) -> None:
    architecture = SHAPES[name]
    decoder = made_up.build(name, architecture, "bfloat16", "cpu")
    usual = AutoModelForCausalLM.from_config(made_up.config_of(architecture), dtype=torch.bfloat16)
    made, expected = dict(decoder.model.named_buffers()), dict(usual.named_buffers())
    assert list(made) == list(expected) != []
    for buffer, value in expected.items():
        assert torch.equal(made[buffer], value), buffer
        assert made[buffer].dtype == value.dtype, buffer
    norms = {path: value for path, value in usual.named_parameters() if value.ndim == 1}
    assert all(torch.equal(decoder.model.get_parameter(path), value) for path, value in norms.items())
    assert sum(value.numel() for value in decoder.model.parameters()) == architecture.parameters  # what is tied is once
    assert {value.dtype for value in decoder.model.parameters()} == {torch.bfloat16}
    assert {value.device.type for value in decoder.model.parameters()} == {"cpu"}


@pytest.mark.parametrize("name", TINY)
def test_weights_are_random_and_activations_finite_and_alive(name: str) -> None:
    decoder = made_up.build(name, SHAPES[name], "bfloat16", "cpu")
    for path, value in decoder.model.named_parameters():
        if value.ndim > 1:
            assert float(value.float().std()) == pytest.approx(0.02, rel=0.2), path
    spread: list[float] = []
    (prompt,) = made_up.made_up_prompts(1, SHAPES[name].vocabulary, seed=0)
    with recorded_blocks(decoder.blocks, lambda _block, stream: spread.append(float(stream.float().std()))):
        decoder.model(input_ids=torch.tensor([prompt]))
    assert len(spread) == SHAPES[name].blocks
    assert all(0.01 < value < 100.0 for value in spread)


def test_prompts_are_about_forty_tokens_inside_the_vocabulary_and_the_same_each_time() -> None:
    prompts = made_up.made_up_prompts(500, 512, seed=1)
    lengths = [len(prompt) for prompt in prompts]
    assert 38 < sum(lengths) / 500 < 42
    assert 16 <= min(lengths) < max(lengths) <= 80
    assert {token for prompt in prompts for token in prompt} == {*range(1, 512)}
    assert prompts == made_up.made_up_prompts(500, 512, seed=1)
    short = [len(prompt) for prompt in made_up.made_up_prompts(500, 512, seed=1, mean=2)]
    assert min(short) == 1
    assert max(short) <= 4


@pytest.mark.parametrize(
    ("share", "scenarios", "groups", "questions"),
    [(1.0, 200, 80, 20), (0.5, 100, 40, 20), (0.01, 2, 2, 8), (0.001, 1, 2, 1), (0.07, 14, 6, 19)],
)
def test_a_share_is_rounded_up_and_keeps_two_groups(share: float, scenarios: int, groups: int, questions: int) -> None:
    part = WHOLE.share(share)
    assert part == replace(WHOLE, scenarios=scenarios, groups=groups, questions=questions)
    assert part.rows >= share * WHOLE.rows


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        WHOLE.share(share)


def test_every_direction_has_its_block_and_every_coefficient_its_rows() -> None:
    decoder = made_up.build("tiny-gemma3", SHAPES["tiny-gemma3"], "bfloat16", "cpu")
    groups = shape.sweep_rows(decoder, Amounts(1, 1, 6, 2, 1), 3, 512)
    assert [[row.coefficient for row in group] for group in groups] == [[5.0] * 2, [10.0] * 2, [15.0] * 2] * 2
    assert [{row.block for row in group} for group in groups] == [{2}] * 3 + [{3}] * 3
    directions = [row.direction.tobytes() for group in groups for row in group if row.direction is not None]
    assert len(set(directions[:6])) == len(set(directions[6:])) == 1
    assert directions[0] != directions[6]


@pytest.mark.parametrize("name", TINY)
@pytest.mark.usefixtures("known_limits")
def test_a_measurement_says_what_it_measured_and_reaches_no_more_than_it_took(name: str) -> None:
    found = shape.measure(name, FEW, coefficients=2, pairs=2, batch_rows=4)
    assert found["measured_amounts"] == asdict(FEW)
    reading, steering = found["extraction"], found["sweep"]
    assert (reading["rows"], reading["new_tokens"], steering["rows"], steering["new_tokens"]) == (3, 2, 8, 3)
    assert reading["tokens_per_second"] == pytest.approx(3 * 2 / (sum(reading["seconds"]) / 2))
    assert reading["ratios"] == [
        twice / once for once, twice in zip(reading["seconds"], reading["read_twice_seconds"], strict=True)
    ]
    assert len(reading["ratios"]) == len(steering["ratios"]) == 2
    assert reading["largest_difference"] < 0.03  # of bfloat16
    assert steering["fused_tokens_per_second"] == pytest.approx(24 / (sum(steering["fused_seconds"]) / 2))
    for stage in (reading, steering):
        nominal, twice = stage["reached"]["cpu"], stage["reached"]["this machine as measured"]
        assert nominal["bandwidth"] == pytest.approx(2 * twice["bandwidth"])
        assert nominal["arithmetic"] == twice["arithmetic"]
        assert set(stage["reached"]) == {"cpu", "this machine as measured"} == set(found["limits"])
        assert all(value > 0.0 for one in stage["reached"].values() for value in one.values())
    assert found["peak_memory_bytes"] > found["weight_bytes"] == 2 * SHAPES[name].parameters
    json.dumps(found)


def test_half_the_time_is_twice_the_share_of_the_limits() -> None:
    architecture = SHAPES["tiny-llama"]
    decoder = made_up.build("tiny-llama", architecture, "bfloat16", "cpu")
    bench = shape.Bench(decoder, architecture, "bfloat16", "cpu", 4, (H100,))
    work = Work(8, 40, 3, 4)
    least = costs.limits(architecture, "bfloat16", H100, work)
    reached = bench.reached(work, 2 * least.bandwidth)["H100 SXM"]
    assert reached["bandwidth"] == pytest.approx(0.5)
    assert reached["arithmetic"] == pytest.approx(least.arithmetic / (2 * least.bandwidth))


@pytest.mark.usefixtures("known_limits")
def test_a_row_that_is_cut_short_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(_decoder: Any, rows: list[Any], *_given: Any, **_named: Any) -> Steered:
        return Steered([Generated((1, 2), True)] * len(rows), 1)

    monkeypatch.setattr(shape, "steer", short)
    with pytest.raises(RuntimeError, match="tiny-llama: a row ended before 3 tokens"):
        shape.measure("tiny-llama", FEW, coefficients=2, pairs=1)


def run_command(monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr("sys.argv", ["bench", *options])
    command.main()


@pytest.mark.usefixtures("known_limits")
def test_the_command_prints_and_keeps_the_figures_under_the_shape_and_device(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "REPORTS", tmp_path / "reports")
    run_command(
        monkeypatch, "--shape", "tiny-gemma2", "--device", "cpu", "--share", "0.01", "--window", "2",
        "--new-tokens", "2", "--prompt-tokens", "12", "--pairs", "1", "--write",
    )  # fmt: skip
    (path,) = (tmp_path / "reports").iterdir()
    found = json.loads(path.read_text())
    assert path.name == f"{found['date']}-tiny-gemma2-cpu.json"
    assert found["share"] == 0.01
    assert found["measured_amounts"] == asdict(Amounts(2, 2, 2, 8, 2, prompt_tokens=12))
    assert abs(found["sweep"]["prompt_tokens"] - 12) <= 4
    assert found["estimated_whole"]["amounts"]["groups"] == 80
    assert {"device", "driver", "torch", "cores", "threads"} <= set(found["machine"])
    printed = capsys.readouterr()
    shown = " ".join(printed.out.split())
    assert "extraction of 2 scenarios" in printed.err
    assert "2 scenarios of" in shown
    assert "16 rows (2 pairs of direction and coefficient)" in shown
    assert shown.count("estimated for the whole") == 2


@pytest.mark.usefixtures("known_limits")
def test_whatever_is_not_measured_is_called_estimated() -> None:
    found = shape.measure("tiny-qwen3", FEW, coefficients=2, pairs=1)
    assert not {name for name in found if "whole" in name or "full" in name} - {"estimated_whole"}
    numbers = [key for one in found["estimated_whole"]["on"].values() for key in one]
    assert len(numbers) == 4
    assert all(key.startswith("estimated") for key in numbers)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--share", "0"), "--share is 0.0"),
        (("--new-tokens", "0"), "--new-tokens is 0"),
        (("--batch-rows", "0"), "--batch-rows is 0"),
        (("--device", "cuda"), "torch finds no GPU"),
    ],
)
def test_options_that_cannot_be_are_refused_in_words(
    options: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        run_command(monkeypatch, "--shape", "tiny-llama", *options)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
