"""Asks a judge about every distinct exchange once, in batches, and keeps each batch before it asks for the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from harness.journal import JudgementJournal
from harness.judging import Exchange, Judge, Judgement

AT_ONCE = 256  # exchanges a judge is given together; what an interruption can cost at most


def grade(
    judge: Judge,
    definition: Mapping[str, str],
    exchanges: Sequence[Exchange],
    journal: JudgementJournal,
    advance: Callable[[int], None],
) -> tuple[dict[Exchange, Judgement], Exception | None]:
    """Judgements of as many exchanges as could be had, and the error that ended it early, if one did.

    What the journal has is not asked again. An error of the judge may bring `judged`, the judgements it had made by
    their place in the batch it was given; these are kept, too.
    """
    known = journal.read()
    pending = [one for one in dict.fromkeys(exchanges) if one not in known]
    advance(len({*exchanges}) - len(pending))
    for start in range(0, len(pending), AT_ONCE):
        batch = pending[start : start + AT_ONCE]
        failure: Exception | None = None
        try:
            judged = dict(zip(batch, judge.judge(definition, batch), strict=True))
        except Exception as error:
            judged = {batch[place]: one for place, one in getattr(error, "judged", {}).items()}
            failure = error.with_traceback(None)
        journal.append(judged)
        known.update(judged)
        advance(len(judged))
        if failure is not None:
            return known, failure
    return known, None
