"""R3. Leave the massive dims out of the norm that a search starts from.

Mechanism: C1 and C2 together. The full norm starts the search where text is gibberish, and five steps do not lead
back; the norm without massive dims starts it below the useful range, and five steps lead into it.
Published as a recommendation: start 784 instead of 18,189 (gemma3, refusal).
Refuted if the search from the corrected start gains less than EFFECT, or if the text along the whole of the
uncorrected search is still coherent at its lowest coefficient.
Controls that flip it: `clean`, whose full norm is its ordinary norm; `severe` is true. The search's own gain
fails on a simulated model that nothing steers.
"""

from fixtures.vocabulary import (
    GATE,
    PROBE,
    claim,
    coherence_at_end_of_uncorrected_search,
    found_by_search,
    predicted,
    regression,
)

EFFECT = 10.0  # trait points
FROM_CORRECTED = found_by_search(PROBE, corrected=True)
AT_END = coherence_at_end_of_uncorrected_search(PROBE)

pytestmark = claim("R3", "exclude massive dims from the norm", "advice", [FROM_CORRECTED, AT_END])


def test_search_from_the_corrected_start_gains(expect):
    expect(FROM_CORRECTED, "Delta found by the search from the corrected start").at_least(EFFECT)


@regression(
    "REFUTED",
    on="mild",
    because="seen in the ledger of 2026-11-26; a third of four times the ordinary norm lies in the useful range",
)
@regression(
    "REFUTED", on="bos", because="seen in the ledger of 2026-11-26; a third of the ordinary norm does not harm the text"
)
@regression(
    "SUPPORTED",
    on="reader, llama",
    because="seen in the ledger of 2026-11-26; a third of many times the ordinary norm is gibberish, too",
)
@predicted("SUPPORTED", on="severe", because="a third of 60 times the ordinary norm is gibberish, too")
@predicted("REFUTED", on="clean", because="a third of the ordinary norm does not harm the text")
def test_uncorrected_search_stays_incoherent(expect):
    expect(AT_END, "coherence of the probe at the lowest coefficient of the uncorrected search").less_than(GATE)
