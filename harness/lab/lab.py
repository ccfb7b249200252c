"""Answers measurements, from the store or by making them: each once, fused into few batches, nothing lost."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.data.datasets import Elicitation
from harness.decoding.generation import BadActivations, Generated
from harness.decoding.steering import Row, bad_rows, steer
from harness.judges.asking import NAMED
from harness.judges.errors import JudgeError
from harness.judges.protocol import Exchange, Judge, Judgement
from harness.lab import making
from harness.lab.grading import grade, is_worth_making, without_frames
from harness.lab.keys import Environment, Keys
from harness.lab.measurements import (
    Baseline,
    BlockChoice,
    CrossFit,
    Direction,
    JudgeCheck,
    LoadCheck,
    MassiveActivations,
    Measurement,
    Refits,
    Role,
    Scores,
    Sweep,
    model_of,
    requires,
    trait_of,
)
from harness.lab.plan import (
    Plan,
    capture_groups,
    fused_groups,
    judged_groups,
    make_plan,
    missing_from,
    trait_pairs,
)
from harness.lab.progress import Progress, Silent
from harness.lab.store import Answer, CorruptEntry, Response, Store, StoreUnwritable
from harness.lab.subject_data import SubjectData
from harness.lab.weights import Weights
from harness.models.checkpoints import NotAtHand
from harness.models.decoder import Decoder
from harness.models.registry import ModelSpec

Judges = Callable[[str, str], Judge]  # name and language -> the judge


class Lab:
    """Makes or recalls the answer of any measurement of the registered models.

    `prepare` makes everything that is missing from a set at once, which is what lets sweeps share batches; `answer`
    returns one answer. A measurement that failed raises its own error again whenever it is asked for, and does
    not stop the others.
    """

    def __init__(
        self,
        models: Mapping[str, ModelSpec],
        store: Store,
        weights: Weights,
        judges: Judges,
        environment: Environment,
        *,
        batch_rows: int = 512,
        progress: Progress | None = None,
        untrusted: bool = False,
    ) -> None:
        self.store = store
        self.calls = 0  # generate calls made
        self._data = SubjectData(models)
        self._weights = weights
        self._judges = judges
        self._batch_rows, self._untrusted = batch_rows, untrusted
        self._progress: Progress = progress or Silent()
        self._keys = Keys(models, environment, lambda name, language: judges(name, language).identity)
        self._answers: dict[Measurement, Answer] = {}
        self._failures: dict[Measurement, Exception] = {}
        self._unwritable = False
        store.warn = self._progress.warn

    def answer(self, measurement: Measurement) -> Answer:
        """The answer of one measurement; raises the error that kept it from being made."""
        self.prepare([measurement])
        if measurement in self._failures:
            raise self._failures[measurement]
        return self._answers[measurement]

    def recall(self, measurement: Measurement) -> Answer | None:
        """The answer if it is there already; nothing is made for it, and nothing is raised."""
        return self._recall(measurement) if self._settled(measurement) and measurement not in self._failures else None

    def plan(self, measurements: Sequence[Measurement]) -> Plan:
        """What `prepare` would do. Reads data files and the store, never loads a model."""
        for measurement in measurements:
            if isinstance(measurement, JudgeCheck):
                self._is_kept(measurement)  # what it found says whether anything is steered for it
        missing = missing_from(self._worth_making(measurements, unchecked=True), self._is_kept)
        traits = {pair: self._data.trait(*pair) for pair in trait_pairs(missing)}
        for measurement in missing:
            if isinstance(measurement, Sweep | Baseline):
                making.require_questions(traits[model_of(measurement), str(trait_of(measurement))], measurement)
        prompts = {m.model: self._data.prompts(m.model) for m in missing if isinstance(m, MassiveActivations)}
        gold = {m: sum(map(len, self._data.gold(m).values())) for m in missing if isinstance(m, JudgeCheck)}
        return make_plan(measurements, missing, traits, prompts, self._batch_rows, gold)

    def prepare(self, measurements: Sequence[Measurement]) -> None:
        """Make whatever is missing, stage by stage; failures are kept for whoever asks for the answer."""
        missing = missing_from(measurements, self._settled)
        by_model: dict[str, list[Measurement]] = {}
        for measurement in missing:
            by_model.setdefault(model_of(measurement), []).append(measurement)
        for model, asked in by_model.items():
            with self.store.making(model):
                # Another process may have made some of it while this one waited for its turn.
                self._check_judges(missing_from(asked, self._settled))
                wanted = missing_from(self._worth_making(asked, measurements), self._settled)
                self._read_scenarios(wanted)
                self._weights.release(model, "base")  # it has nothing more to do, and the instruct model needs room
                self._find_massive_dims(wanted)
                self._fit(wanted)
                self._steer(wanted)
                self._judge(wanted)

    def _worth_making(
        self, asked: Sequence[Measurement], among: Sequence[Measurement] | None = None, unchecked: bool = False
    ) -> list[Measurement]:
        """Those of `asked` whose judge may decide, or all where judges are looked at that may not."""
        among = asked if among is None else among
        return [one for one in asked if self._untrusted or is_worth_making(one, among, self._answers, unchecked)]

    def _check_judges(self, wanted: Sequence[Measurement]) -> None:
        """Run judges on their gold sets, before anything is steered for them, and free them: models need the room."""
        used: list[Judge] = []

        def check(measurement: JudgeCheck) -> None:
            before = {name: one for needed in requires(measurement) for name, one in self.answer(needed).record.items()}
            used.append(self._judge_of(measurement.model, measurement.judge))
            golds = self._data.gold(measurement)
            judged, failure = self._graded(
                measurement.model,
                measurement.trait,
                measurement.judge,
                [making.gold_exchange(one) for gold in golds.values() for one in gold],
                f"{measurement.model}: judge the gold set of {measurement.trait}",
            )
            if failure is not None:
                raise failure
            found = making.judge_check(judged, golds)
            said = dict(Counter(getattr(used[-1], "first_tokens", {})).most_common(NAMED))
            self._keep(measurement, Answer({}, {**before, **found.record, **({"first_tokens": said} if said else {})}))

        try:
            for measurement in wanted:
                if isinstance(measurement, JudgeCheck):
                    self._attempt([measurement], functools.partial(check, measurement))
        finally:
            for judge in used:
                judge.release()

    def _read_scenarios(self, wanted: Sequence[Measurement]) -> None:
        for (model, trait, elicitation), group in capture_groups(wanted).items():

            def make(
                model: str = model, trait: str = trait, elicitation: Elicitation = elicitation, group: Any = group
            ) -> None:
                data = self._data.trait(model, trait)
                rows = 2 * len(data.elicited_by(elicitation))
                decoder = self._decoder(model, "base" if elicitation == "scenarios" else "instruct")
                if elicitation == "instructions":
                    decoder.require_answers()
                with self._progress.stage(f"{model}: read {trait} {elicitation}", rows) as advance:
                    answers, calls = making.activations(decoder, data, group, self._batch_rows, advance, self._halved)
                self.calls += calls
                for measurement, answer in answers.items():
                    self._keep(measurement, answer)

            self._attempt(group, make)

    def _find_massive_dims(self, wanted: Sequence[Measurement]) -> None:
        for measurement in wanted:
            if isinstance(measurement, MassiveActivations):

                def make(measurement: MassiveActivations = measurement) -> None:
                    prompts = self._data.prompts(measurement.model)
                    decoder = self._decoder(measurement.model, "instruct")
                    with self._progress.stage(f"{measurement.model}: find massive dims", len(prompts)) as advance:
                        answer, calls = making.massive_activations(
                            decoder, prompts, measurement, self._batch_rows, advance, self._halved
                        )
                    self.calls += calls
                    self._keep(measurement, answer)

                self._attempt([measurement], make)

    def _fit(self, wanted: Sequence[Measurement]) -> None:
        for measurement in wanted:
            if isinstance(measurement, Direction):

                def make_direction(m: Direction = measurement) -> None:
                    given = self._data.vector(m.activations.model, m.method)
                    self._keep(m, making.direction(m, self.answer(m.activations), self.answer(m.massive), given))

                self._attempt([measurement], make_direction)
            if isinstance(measurement, CrossFit):

                def make_cross_fit(m: CrossFit = measurement) -> None:
                    measured = None if m.massive is None else self.answer(m.massive)
                    given = self._data.vector(m.activations.model, m.method)
                    self._keep(m, making.cross_fit(m, self.answer(m.activations), measured, given))

                self._attempt([measurement], make_cross_fit)
            if isinstance(measurement, BlockChoice):

                def choose_block(m: BlockChoice = measurement) -> None:
                    self._keep(m, making.block_choice(m, self.answer(m.activations), self.answer(m.massive)))

                self._attempt([measurement], choose_block)
            if isinstance(measurement, Refits):

                def make_refits(m: Refits = measurement) -> None:
                    title = f"{m.activations.model}: refit {m.method} on resampled {m.activations.trait} scenarios"
                    with self._progress.stage(title, 1 + m.resamples) as advance:
                        given = self._data.vector(m.activations.model, m.method)
                        self._keep(m, making.refits(m, self.answer(m.activations), advance, given))

                self._attempt([measurement], make_refits)

    def _steer(self, wanted: Sequence[Measurement]) -> None:
        for (model, limit, positions), group in fused_groups(wanted).items():
            ready = [measurement for measurement in group if self._can_be_steered(measurement)]
            if ready:

                def make(
                    model: str = model, limit: int = limit, positions: Any = positions, ready: Any = ready
                ) -> None:
                    self._steer_fused(model, limit, positions, ready)

                self._attempt(ready, make)

    def _steer_fused(self, model: str, limit: int, positions: Any, group: Sequence[Sweep | Baseline]) -> None:
        decoder = self._decoder(model, "instruct")
        decoder.require_answers()
        key_of = self._keys.of_responses(model, limit, positions)
        rows: dict[str, Row] = {}  # each once: recipes may coincide, and an unsteered row is one wherever it stands
        asked: dict[tuple[int, ...], str] = {}
        folds: list[tuple[Sweep | Baseline, list[str], Mapping[str, Any]]] = []
        for measurement in group:
            vector = self.answer(measurement.direction) if isinstance(measurement, Sweep) else None
            questions = self._data.trait(model, str(trait_of(measurement))).questions[: measurement.questions]
            own, amounts = making.steering_rows(decoder, questions, measurement, vector)
            asked.update(zip((row.prompt for row in own), (question.text for question in questions), strict=False))
            keyed = {key_of(row): row for row in own}
            folds.append((measurement, [key_of(row) for row in own], amounts))
            rows |= keyed
        keys = list(rows)
        made = self.store.responses(keys)
        batches: list[list[int]] = []
        known = {index: Generated(made[key].ids, made[key].finished) for index, key in enumerate(keys) if key in made}
        with self._progress.stage(f"{model}: steer", len(keys)) as advance:
            advance(len(made))

            def keep(indices: list[int], generated: list[Generated]) -> None:
                batch = {keys[index]: one for index, one in zip(indices, generated, strict=True)}
                found = {
                    key: _response(decoder, one, row, asked[row.prompt], model)
                    for key, one in batch.items()
                    for row in (rows[key],)
                }
                made.update(found)
                self._written(lambda: self.store.put_responses(found))
                batches.append(indices)
                advance(len(indices))

            # Rows that overflow cost only the sweeps that they are of.
            with contextlib.suppress(BadActivations):
                steer(
                    decoder,
                    list(rows.values()),
                    limit,
                    batch_rows=self._batch_rows,
                    positions=positions,
                    known=known,
                    on_batch=keep,
                    on_halved=self._halved,
                )
        self.calls += len(batches)
        for measurement, own_keys, meaning in folds:
            if bad := [place for place, key in enumerate(own_keys) if key not in made]:
                self._failures[measurement] = bad_rows(decoder.name, [rows[key] for key in own_keys], bad)
            else:
                self._keep(measurement, making.responses(own_keys, made, measurement.questions, meaning))

    def _judge(self, wanted: Sequence[Measurement]) -> None:
        for (model, trait, name), group in judged_groups(wanted).items():

            def make(model: str = model, trait: str = trait, name: str = name, group: Any = group) -> None:
                self._judge_fused(model, trait, name, group)

            self._attempt(group, make)

    def _judge_fused(self, model: str, trait: str, name: str, group: Sequence[Scores]) -> None:
        """Judge every distinct exchange of a group once; a judge lost on the way costs only what it has not judged."""
        read: dict[Scores, list[Exchange]] = {}
        questions = self._data.trait(model, trait).questions
        for measurement in group:

            def look(m: Scores = measurement) -> None:
                read[m] = making.exchanges_of(questions, self.answer(m.of))

            self._attempt([measurement], look)
        exchanges = [exchange for own in read.values() for exchange in own]
        judged, failure = self._graded(model, trait, name, exchanges, f"{model}: judge responses on {trait}")
        for measurement, own in read.items():
            if all(exchange in judged for exchange in own):
                self._keep(measurement, making.scores(judged, own, self.answer(measurement.of)))
            elif failure is not None:
                self._failures[measurement] = failure
        self._judge_of(model, name).release()

    def _graded(
        self, model: str, trait: str, name: str, exchanges: Sequence[Exchange], title: str
    ) -> tuple[dict[Exchange, Judgement], Exception | None]:
        """Judgements of distinct exchanges, from the store or the judge, each kept as soon as its batch is judged."""
        judge, definition = self._judge_of(model, name), self._data.trait(model, trait).definition
        key_of = self._keys.of_judgements(model, trait, name)
        keys = {exchange: key_of(exchange) for exchange in exchanges}
        there = self.store.judgements(keys.values())

        def keep(judged: Mapping[Exchange, Judgement]) -> None:
            rows = {keys[exchange]: (name, trait, exchange, said) for exchange, said in judged.items()}
            self._written(lambda: self.store.put_judgements(rows))

        with self._progress.stage(title, len(keys)) as advance:
            known = {exchange: there[key] for exchange, key in keys.items() if key in there}
            return grade(judge, definition, list(keys), known, keep, advance)

    def _judge_of(self, model: str, name: str) -> Judge:
        return self._judges(name, self._data.language(model))

    def _decoder(self, model: str, role: Role) -> Decoder:
        """The decoder of a model; what was found when it was loaded is kept."""
        decoder = self._weights.get(model, role)
        if (check := LoadCheck(model, role)) not in self._answers:
            self._keep(check, Answer({}, {"findings": list(decoder.findings)}))
        return decoder

    def release(self, model: str) -> None:
        """Free the weights of a model; its answers stay."""
        self._weights.release(model)

    def _attempt(self, measurements: Sequence[Measurement], make: Callable[[], None]) -> bool:
        """Run `make`; an error is kept for every measurement it leaves without an answer. Whether it went well."""
        try:
            make()
        except Exception as error:
            for measurement in measurements:
                if measurement not in self._answers:
                    self._failures[measurement] = without_frames(error)
            return False
        return True

    def _can_be_steered(self, measurement: Sweep | Baseline) -> bool:
        """Whether a member of a fused group has its direction and questions; otherwise the failure is its own."""

        def look() -> None:
            if isinstance(measurement, Sweep):
                self.answer(measurement.direction)
            making.require_questions(self._data.trait(model_of(measurement), str(trait_of(measurement))), measurement)

        return self._attempt([measurement], look)

    def _is_kept(self, measurement: Measurement) -> bool:
        """Whether the store has an answer; where weights or the judge cannot be had it cannot be told, and has none."""
        try:
            return self._recall(measurement) is not None
        except (NotAtHand, JudgeError):
            return False

    def _settled(self, measurement: Measurement) -> bool:
        if measurement not in self._failures:
            there = False

            def look() -> None:
                nonlocal there
                there = self._recall(measurement) is not None

            return not self._attempt([measurement], look) or there
        return True

    def _recall(self, measurement: Measurement) -> Answer | None:
        """The answer from memory or the store; a corrupted entry is reported and counts as missing."""
        if measurement not in self._answers:
            try:
                stored = self.store.get(self._keys.key(measurement))
            except CorruptEntry as error:
                self._progress.warn(f"{error}; {type(measurement).__name__} is measured again.")
                stored = None
            if stored is None:
                return None
            self._answers[measurement] = stored
        return self._answers[measurement]

    def _keep(self, measurement: Measurement, answer: Answer) -> None:
        self._answers[measurement] = answer
        self._written(lambda: self.store.put(self._keys.key(measurement), self._keys.description(measurement), answer))

    def _written(self, write: Callable[[], None]) -> None:
        try:
            write()
        except StoreUnwritable as error:
            if not self._unwritable:  # once is enough: every later write would say the same
                self._progress.warn(f"{error.strerror} What is measured stays in memory for this run only.")
            self._unwritable = True

    def _halved(self, batch_rows: int) -> None:
        self._batch_rows = min(self._batch_rows, batch_rows)
        self._progress.warn(f"Out of memory: the batch size is now {batch_rows} rows.")


def _response(decoder: Decoder, made: Generated, row: Row, question: str, model: str) -> Response:
    return Response(made.ids, made.finished, decoder.decode(made.ids), question, model, row.block, row.coefficient)
