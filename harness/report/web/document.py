"""Puts the page together: one HTML file without server or network, verdicts readable without a script."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from harness.atomic import write_atomically
from harness.lab.store import Store
from harness.ledger import baseline
from harness.ledger.rows import JUDGE_TABLE, Identity, Ledger, Row
from harness.ledger.verdict import Verdict
from harness.report import reading
from harness.report.closing import blind_in_words, counts_in_words
from harness.report.reading import plain
from harness.report.summary import GLOSSARY, in_lines
from harness.report.tables import side_by_side
from harness.report.web import cells, said
from harness.report.web.geometry import geometry

HERE = Path(__file__).parent
PUBLISHED = ("gemma3", "gemma2")  # models that the sources steered themselves
OUTCOMES = {
    "holds": "hold wherever they can be told",
    "does not hold": "do not hold wherever they can be told",
    "both": "hold on some models or traits and not on others",
    "cannot be told": "cannot be told",
}
# Nothing is fetched from anywhere, and only the page's own script runs. Vega makes functions of its own expressions.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src 'none'; base-uri 'none'; "
    "form-action 'none'; script-src {hashes} 'unsafe-eval'"
)


def write_html(
    path: Path,
    ledger: Ledger,
    store: Store | None = None,
    against: Ledger | None = None,
    name: str = "",
    minutes: float | None = None,
) -> None:
    """Write the page atomically, see `html`. Raises OSError when the disk refuses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, html(ledger, store, against, name, minutes).encode("utf-8", "replace"))


def html(
    ledger: Ledger,
    store: Store | None = None,
    against: Ledger | None = None,
    name: str = "",
    minutes: float | None = None,
) -> str:
    """The page of a ledger, with what its store holds of it, and with what differs from another ledger marked.

    `name` is what the ledger is called on it; `minutes` is how long the run took, where that is known.
    """
    changes = baseline.compare(against, ledger) if against else []
    changed = {
        Identity(one.claim, one.test, one.model, one.trait): f"{one.kind}: {one.sentence.partition('; again: ')[0]}."
        for one in changes
    }
    claims = cells.claims(ledger, changed)
    data = _measured(ledger, store) if store else {}
    scripts = [*([_charts_library()] if data else []), (HERE / "page.js").read_text(encoding="utf-8")]
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts)
    return _template().render(
        name=name,
        policy=POLICY.format(hashes=hashes),
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        scripts=[Markup(one) for one in scripts],  # ours and the library's, as their hashes say
        claims=claims,
        outcomes=_outcomes(claims),
        models=list(dict.fromkeys(row.model for claim in claims for row in claim.rows)),
        traits=list(dict.fromkeys(row.trait for claim in claims for row in claim.rows)),
        families=list(dict.fromkeys(claim.family for claim in claims)),
        verdicts=[verdict.value for verdict in Verdict if any(row.verdict == verdict for row in ledger.rows)],
        signs={verdict.value: sign for verdict, sign in cells.SIGNS.items()},
        anchor_of=cells.anchor_of,
        by_model=by_model,
        is_control=reading.is_control,
        words_of=lambda row: plain(f"{reading.words_of_test(row.test)}, {row.trait}"),
        counts=[plain(text) for text in counts_in_words(ledger.rows, reading.marks_of(ledger))],
        blind=[plain(text) for text in blind_in_words(ledger.rows)],
        tested=_tested(ledger.head),
        told=_told(ledger),
        settings=_settings(ledger.head),
        judges=[(one, *side_by_side(one)) for one in ledger.tables if one.key == JUDGE_TABLE],
        tables=[(one, *side_by_side(one)) for one in ledger.tables if one.key != JUDGE_TABLE],
        changes=[plain(text) for text in baseline.described(changes)] if against else None,
        published_columns=cells.PUBLISHED_COLUMNS,
        width=cells.WIDTH,
        legend=reading.LEGEND,
        found=in_lines(ledger),
        glossary=list(GLOSSARY.items()),
        minutes=None if minutes is None else f"{minutes:.1f}",
        spent=store.counts() if store else None,
        data=packed(data) if data else "",
        sampled=data.get("runs", {}),
    )


def _measured(ledger: Ledger, store: Store) -> dict[str, Any]:
    """What a store holds of the models and traits of a ledger; empty where it holds nothing of them."""
    grid = [row for row in ledger.rows if not (row.is_pair or row.is_arithmetic)]
    models = reading.models_of(ledger.rows)
    runs = said.runs(store, list(dict.fromkeys((row.model, row.trait) for row in grid)))
    for group in runs["groups"]:
        group["published"] = _published_runs(ledger, group["model"], group["trait"])
    languages = {name: about["language"] for name, about in ledger.head.get("models", {}).items() if name in models}
    found = {"runs": runs, "gold": said.gold(store, languages), "geometry": geometry(store, models)}
    return found if runs["groups"] or found["gold"] or found["geometry"] else {}


def _published_runs(ledger: Ledger, model: str, trait: str) -> list[dict[str, Any]]:
    """Published coefficients of a model with the Delta they gave; of other models' coefficients there is no place."""
    found = []
    for table in ledger.tables:
        columns = table.published["columns"] if table.published and (table.model, table.trait) == (model, trait) else []
        if table.published and model in PUBLISHED and {"coefficient", "best Delta"} <= set(columns):
            place = {name: columns.index(name) for name in ("coefficient", "best Delta")}
            for row in table.published["rows"]:
                coefficient, delta = (row[place[name]] for name in ("coefficient", "best Delta"))
                if isinstance(coefficient, float) and isinstance(delta, float):
                    edition = table.published.get("edition", "")
                    found.append({"title": f"{row[0]}, {edition}", "coefficient": coefficient, "delta": delta})
    return found


def packed(data: Mapping[str, Any]) -> str:
    """Data as text that holds no markup: JSON, deflated, in base64."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 9)).decode()


@functools.cache
def _charts_library() -> str:
    """Vega, Vega-Lite and vega-embed as one script, out of the package that carries them."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script")  # ends no element, and means the same within a string


@functools.cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(HERE)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["plain"] = plain
    return environment.get_template("page.html.j2")


def _outcomes(claims: Sequence[cells.Claim]) -> list[tuple[str, str, list[cells.Claim]]]:
    """How many claims came to what, in words, with the claims; those about published numbers alone left out."""
    tested = [claim for claim in claims if not all(row.is_arithmetic for row in claim.rows)]
    return [
        (outcome, words, found)
        for outcome, words in OUTCOMES.items()
        if (found := [claim for claim in tested if claim.outcome == outcome])
    ]


def _tested(head: Mapping[str, Any]) -> list[str]:
    """What was tested, on what, when and with which judge, a line a model."""
    shared = ", ".join(f"{head[name]}" for name in ("device", "dtype", "date") if head.get(name))
    return [
        plain(
            f"{model}{' (' + about['origin'] + ')' if about.get('origin') else ''}: judged by {about['judge']}, "
            f"{about['questions']} questions a trait, directions from {about['elicitation']}; {shared}"
        )
        for model, about in head.get("models", {}).items()
    ]


def _told(ledger: Ledger) -> list[str]:
    """What was tested by whom, a line each: massive dims, judges, what was found on load, what was not tested."""
    head = ledger.head
    return [
        *reading.massive_dims(ledger.rows),
        *reading.judges(ledger.tables),
        *(plain(f"{model}: {text}") for model, found in head.get("load", {}).items() for text in found),
        *(plain(f"{model} was not tested: {why}") for model, why in head.get("not_tested", {}).items()),
    ]


def _settings(head: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The header of a ledger, flat: "models, smollm2, questions" and its value."""

    def flat(name: str, value: Any) -> list[tuple[str, str]]:
        if isinstance(value, Mapping):
            return [pair for key, one in value.items() for pair in flat(f"{name}, {key}" if name else str(key), one)]
        return [(plain(name), plain(", ".join(map(str, value)) if isinstance(value, list) else value))]

    return flat("", {key: value for key, value in head.items() if key not in ("kind", "not_tested", "load")})


def by_model(claim: cells.Claim) -> dict[str, list[Row]]:
    """The rows of a claim by the model they are about."""
    found: dict[str, list[Row]] = {}
    for row in claim.rows:
        found.setdefault(row.model, []).append(row)
    return found
