"""G5. mean_diff lies mostly inside massive dims, and the probe is not orthogonal to them either.

Mechanism: mean_diff weights dims by magnitude. The probe reads normalised rows, so a massive dim enters it only as far
as its share of the norm tells the classes apart.
Published: 88.7 % of mean_diff's norm in the top five dims; 41.6 % of the probe's in the 13 (gemma3, refusal, block 15).
Refuted if mean_diff holds less than MOSTLY of its norm there, or the probe less than SOME.
Controls that flip the first: `severe` is true, `mild` and `clean` are false; the second: `severe`, whose planted dims
vary by one common factor that row normalisation removes, is false; `reader`, whose massive dims carry the trait, and
`llama`, whose dims vary each by itself, are true.
"""

from fixtures.vocabulary import MEAN_DIFF, PROBE, claim, predicted, regression, share_inside

MOSTLY, SOME = 0.5, 0.2  # shares of norm
OF_MEAN_DIFF, OF_PROBE = share_inside(MEAN_DIFF, "top five"), share_inside(PROBE, "consensus")

pytestmark = claim("G5", "both methods hold weight in massive dims", "geometry", [OF_MEAN_DIFF, OF_PROBE])


@regression(
    "SUPPORTED",
    on="reader, llama",
    because="seen in the ledger of 2026-11-26; they go with the trait (`reader`), or vary by 30 % each (`llama`)",
)
@regression(
    "SUPPORTED",
    on="severe",
    because="measured before, in the organisms' quality report; "
    "planted dims of 1000x vary by a tenth, far more than any trait does",
)
@regression(
    "REFUTED",
    on="mild",
    because="measured before, in the organisms' quality report; at 60x the planted dims hold a fifth of mean_diff",
)
@predicted("REFUTED", on="clean, bos", because="the five largest of 128 ordinary dims hold no half of anything")
def test_mean_diff_lies_mostly_inside(expect):
    expect(OF_MEAN_DIFF, "share of mean_diff in the block's top five dims").at_least(MOSTLY)


@regression(
    "REFUTED",
    on="clean, bos",
    because="seen in the ledger of 2026-11-26; the dims that the rule names are ordinary, and the probe has 128",
)
@regression(
    "SUPPORTED",
    on="reader, llama",
    because="seen in the ledger of 2026-11-26; they carry the trait (`reader`), or vary each by itself (`llama`)",
)
@regression(
    "REFUTED",
    on="severe, mild",
    because="measured before, in the organisms' quality report; "
    "row normalisation divides out the one factor by which planted dims vary",
)
def test_probe_is_not_orthogonal(expect):
    expect(OF_PROBE, "share of the probe in the consensus dims").at_least(SOME)
