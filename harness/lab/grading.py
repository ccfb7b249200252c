"""Asks a trusted judge about every distinct exchange once, in batches, and keeps each before it asks for the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.judges.errors import JudgeOverflow
from harness.judges.gate import why_not_trusted
from harness.judges.protocol import Exchange, Judge, Judgement
from harness.lab.measurements import Baseline, JudgeCheck, Measurement, Scores, Sweep, model_of, requires, trait_of
from harness.lab.store import Answer

AT_ONCE = 256  # exchanges a judge is given together; what an interruption can cost at most


def is_worth_making(
    measurement: Measurement,
    among: Sequence[Measurement],
    checked: Mapping[Measurement, Answer],
    unchecked: bool = False,
) -> bool:
    """Whether an answer is worth making: not if its judge was asked, `among` others, to be checked and failed the gate.

    A judge that caps by relevance has failed, too, when it failed without the cap. `checked` holds the checks that have
    an answer; `unchecked` is what to say of a judge whose check has none.
    """

    def may_decide(check: JudgeCheck) -> bool:
        found = [checked[one] for one in (check, *requires(check)) if one in checked]
        return (unchecked or check in checked) and not any(why_not_trusted(one.record) for one in found)

    if not isinstance(measurement, Scores | Sweep | Baseline):
        return True
    place = model_of(measurement), trait_of(measurement)
    checks = [one for one in among if isinstance(one, JudgeCheck) and (one.model, one.trait) == place]
    if isinstance(measurement, Scores):
        checks = [one for one in checks if one.judge == measurement.judge]
    return not checks or any(map(may_decide, checks))


def without_frames(error: Exception) -> Exception:
    """The error without tracebacks, its causes' too, whose frames would keep a model's weights in memory."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error


def grade(
    judge: Judge,
    definition: Mapping[str, str],
    exchanges: Sequence[Exchange],
    known: dict[Exchange, Judgement],
    keep: Callable[[Mapping[Exchange, Judgement]], None],
    advance: Callable[[int], None],
) -> tuple[dict[Exchange, Judgement], Exception | None]:
    """Judgements of as many exchanges as could be had, and the first error, if one kept any from being judged.

    What is `known` is not asked again; `keep` is told of every batch before the next is asked for. An error of the
    judge may bring `judged`, the judgements it had made by their place in its batch; these are kept, too.
    """
    known, first = dict(known), None
    pending = [one for one in dict.fromkeys(exchanges) if one not in known]
    pending.sort(key=lambda one: one.question)  # whoever judges them may read each question once
    advance(len({*exchanges}) - len(pending))
    for start in range(0, len(pending), AT_ONCE):
        batch = pending[start : start + AT_ONCE]
        failure: Exception | None = None
        try:
            judged = dict(zip(batch, judge.judge(definition, batch), strict=True))
        except Exception as error:
            judged = {batch[place]: one for place, one in getattr(error, "judged", {}).items()}
            failure = without_frames(error)
        keep(judged)
        known.update(judged)
        advance(len(judged))
        first = first or failure
        if failure is not None and not isinstance(failure, JudgeOverflow):
            break
    return known, first
