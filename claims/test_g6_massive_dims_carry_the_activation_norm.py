"""G6. Massive dims carry nearly all of the activation norm.

Mechanism: a dim a thousand times the median outweighs thousands of ordinary dims in a sum of squares.
Published: norm 25,984 with and 1,120 without the 13 dims (gemma3, refusal, block 15), so 4.3 % remain.
Refuted if more than REST of the norm remains without them.
Control that flips it: `clean` and `bos`, whose response tokens have no massive dims.
"""

from fixtures.vocabulary import claim, norm_outside, predicted, regression

REST = 0.1  # share of the norm
OUTSIDE = norm_outside()

pytestmark = claim("G6", "massive dims carry the activation norm", "geometry", [OUTSIDE])


@regression(
    "SUPPORTED", on="reader, llama", because="seen in the ledger of 2026-11-26; planted: nearly all of the norm"
)
@regression(
    "SUPPORTED",
    on="severe",
    because="measured before, in the organisms' quality report; planted: 784 of norm, 13 to 15 of it ordinary",
)
@regression(
    "REFUTED",
    on="mild",
    because="measured before, in the organisms' quality report; planted: 74 of norm, 15 to 18 of it ordinary",
)
@predicted("REFUTED", on="clean, bos", because="nothing massive is planted at response tokens")
def test_little_norm_remains(expect):
    expect(OUTSIDE, "activation norm without massive dims over the whole").at_most(REST)
