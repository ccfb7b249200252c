"""Directions and massive dims of a store as a page draws them: cosines, shares, and where large activations lie."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from harness.lab.store import Answer, CorruptEntry, Store
from harness.report.responses import title_of

MOST_DIMS = 16  # whose magnitudes are drawn
MOST_DIRECTIONS = 24  # of one block


def geometry(store: Store, models: Collection[str]) -> list[dict[str, Any]]:
    """For each model `cosines` by trait and block, `shares` by window, and `magnitudes` by block and dim."""
    directions: dict[str, dict[tuple[str, int], dict[str, tuple[Mapping[str, Any], Answer]]]] = {}
    massive: dict[str, Answer] = {}
    for measured, answer in _measured(store, models):
        if measured["kind_of"] == "MassiveActivations":
            massive[measured["model"]] = answer
        else:
            read = measured["activations"]
            own = directions.setdefault(read["model"], {}).setdefault((read["trait"], measured["block"]), {})
            own[title_of(measured)] = (measured, answer)
    return [
        {
            "model": model,
            "cosines": [_cosines(*place, own) for place, own in sorted(directions.get(model, {}).items())],
            "shares": [
                share for place, own in sorted(directions.get(model, {}).items()) for share in _shares(*place, own)
            ],
            **(_magnitudes(massive[model]) if model in massive else {"magnitudes": [], "severity": []}),
        }
        for model in models
        if model in directions or model in massive
    ]


def _measured(store: Store, models: Collection[str]) -> Iterator[tuple[Mapping[str, Any], Answer]]:
    for key, text in store.descriptions():
        measured = text["measurement"]
        kind = measured["kind_of"]
        of_model = measured.get("model") or measured.get("activations", {}).get("model")
        if kind not in ("Direction", "MassiveActivations") or of_model not in models:
            continue
        try:
            answer = store.get(key)
        except CorruptEntry:  # the next run of the claims measures it again
            continue
        if answer is not None:
            yield measured, answer


def _cosines(trait: str, block: int, own: Mapping[str, tuple[Mapping[str, Any], Answer]]) -> dict[str, Any]:
    titles = sorted(own)[:MOST_DIRECTIONS]
    stacked = np.stack([own[title][1].arrays["direction"].astype(np.float64) for title in titles])
    unit = stacked / np.linalg.norm(stacked, axis=1, keepdims=True)
    return {"trait": trait, "block": block, "titles": titles, "values": np.round(unit @ unit.T, 3).tolist()}


def _shares(trait: str, block: int, own: Mapping[str, tuple[Mapping[str, Any], Answer]]) -> Iterator[dict[str, Any]]:
    for measured, answer in own.values():
        if measured["cleaning"]["kind"] == "none":
            outside = float(answer.record["share_outside"])
            yield {
                "trait": trait,
                "block": block,
                "method": measured["method"],
                "window": measured["activations"]["window"],
                "elicitation": measured["activations"]["elicitation"],
                "inside": round(max(1.0 - outside**2, 0.0) ** 0.5, 4),
            }


def _magnitudes(answer: Answer) -> dict[str, Any]:
    """Mean size of the largest dims over the block's median dim, block by block; and each block's severity."""
    size = np.abs(answer.arrays["mean"]).astype(np.float64)
    largest = np.argsort(size.max(axis=0))[::-1][:MOST_DIMS]
    dims = sorted({*answer.record["consensus"], *(int(dim) for dim in largest[: MOST_DIMS // 2])})[:MOST_DIMS]
    times = size / np.maximum(np.median(size, axis=1, keepdims=True), 1e-12)
    return {
        "magnitudes": [[block, dim, round(float(times[block, dim]), 2)] for block in range(len(size)) for dim in dims],
        "severity": [round(float(value), 2) for value in answer.record["severity"]],
    }
