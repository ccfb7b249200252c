"""Faults in how text is steered, and how activations are read."""

from __future__ import annotations

from harness.tests.planted.fault import Fault

STEERING, CAPTURE, GENERATION, MODELS = (
    f"harness/{name}.py" for name in ("decoding/steering", "decoding/capture", "decoding/generation", "models/decoder")
)
OWN_BLOCK = (
    "harness/tests/decoding/test_steering.py::test_steering_adds_coefficient_times_direction_at_its_own_block_only"
)
FUSED = "harness/tests/decoding/test_steering.py::test_a_fused_batch_equals_its_rows_run_alone_token_for_token"
WINDOW = "harness/tests/decoding/test_capture.py::test_window_means_are_the_block_outputs_at_the_first_response_tokens"
STATISTICS = "harness/tests/decoding/test_capture.py::test_statistics_cover_exactly_the_response_tokens"
HERE = "harness/tests/planted/test_caught_here.py"

FAULTS = (
    Fault(
        "steer-block-before",
        "steering hooks stand one block too early",
        STEERING,
        "handles.append(blocks[block].register_forward_hook(self._hook(block)))",
        "handles.append(blocks[block - 1].register_forward_hook(self._hook(block)))",
        (OWN_BLOCK,),
    ),
    Fault(
        "steer-prompt-only",
        "only the prompt is steered, not what is generated",
        STEERING,
        'if prompt and self._where == "response" else active',
        'if prompt == (self._where == "response") else active',
        (f"{HERE}::test_steering_everywhere_goes_on_at_every_generated_token",),
    ),
    Fault(
        "steer-padding",
        "padding is steered, too",
        STEERING,
        'if prompt and self._where == "response" else active',
        'if prompt and self._where == "response" else torch.ones_like(active)',
        ("harness/tests/decoding/test_steering.py::test_padding_is_never_steered",),
    ),
    Fault(
        "steer-sign",
        "the sign of the coefficient is flipped",
        STEERING,
        "np.asarray(row.direction, np.float64) * row.coefficient",
        "np.asarray(row.direction, np.float64) * -row.coefficient",
        (OWN_BLOCK,),
    ),
    Fault(
        "steer-first-direction",
        "every row of a batch gets the first row's direction",
        STEERING,
        "np.asarray(row.direction, np.float64) * row.coefficient",
        "np.asarray(rows[0].direction, np.float64) * row.coefficient",
        (FUSED,),
    ),
    Fault(
        "steer-finished-rows",
        "rows that finished stay in the table of vectors, so that the others get the wrong ones",
        STEERING,
        "{block: added[rows] for block, added in self._added.items()}",
        "{block: added[: len(rows)] for block, added in self._added.items()}",
        (FUSED,),
    ),
    Fault(
        "once-each-coefficient",
        "rows that differ in their coefficient only are taken for one",
        "harness/lab/keys.py",
        "*((row.coefficient, row.block) if steered else (0.0, 0))",
        "*((1.0, row.block) if steered else (0.0, 0))",
        ("harness/tests/lab/test_lab.py::test_every_response_lands_in_its_own_sweep_amount_and_question",),
    ),
    Fault(
        "double-bos",
        "a text that opens with <bos> gets a second one",
        MODELS,
        "return [bos, *ids] if self.opens and ids[:1] != [bos] else ids",
        "return [bos, *ids]",
        ("harness/tests/models/test_decoder.py::test_plain_text_opens_with_one_bos",),
    ),
    Fault(
        "window-shifted",
        "the response window begins at the last token of the prompt",
        CAPTURE,
        "self._said = None if prompt else active[:, -1]",
        "self._said = active[:, -1]",
        (WINDOW,),
    ),
    Fault(
        "last-token-missed",
        "the last response token is never fed back, so nothing is captured at it",
        GENERATION,
        "range(max_new_tokens + feed_last)",
        "range(max_new_tokens)",
        (WINDOW, STATISTICS),
    ),
    Fault(
        "stop-token-counted",
        "the stop token of a row, and what it says after that while nobody looks, is captured",
        GENERATION,
        "mask if step == 0 else ~done.unsqueeze(-1)",
        "mask if step == 0 else mask[:, -1:]",
        (STATISTICS,),
    ),
    Fault(
        "failed-batch-counted",
        "what a batch gave before it ran out of memory is counted again when it is tried in halves",
        CAPTURE,
        "taken.append((block, values))",
        "statistics.add(block, values)",
        ("harness/tests/decoding/test_capture.py::test_a_batch_that_runs_out_of_memory_halfway_is_taken_in_once",),
    ),
    Fault(
        "peak-signed",
        "the peak of a dim is its largest signed activation, so negative massive dims have none",
        CAPTURE,
        "np.abs(values).max(axis=0, initial=0.0)",
        "values.max(axis=0, initial=0.0)",
        (STATISTICS,),
    ),
)
