"""What each attention pattern is: formula, source, the threshold of its label, how often chance reaches it.

In the formulas ``A`` is a head's map of T tokens, row ``i`` the token that looks, column ``j`` the one that
is looked at; each row sums to 1. Row 0 is left out everywhere: it has no choice. ``U`` is the map of a head
that spreads evenly over all it may see.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

LOCAL_WINDOWS = (4, 16, 64)
OFFSETS = 16  # greatest k of the offset profile
LEAST_ROWS = 8  # a label needs at least so many tokens to be measured on
LEAST_ROOM = 0.1  # and this much mass that the baseline does not explain
MIXED = "mixed"  # label of a head that no pattern describes
SEGMENT = "segment_"  # followed by the kind: segment_line, segment_sentence, ...

_STRENGTH = "strength = (score - baseline) / (1 - baseline), baseline = score of U"
_CONTENT = (
    "strength = (score - baseline) / (1 - baseline), baseline = the larger of the score of U and of the "
    "score that the head's own spread over distances would give"
)


@dataclass(frozen=True)
class Definition:
    """A pattern that heads are measured against.

    Attributes:
        name: key of its score.
        title: for people.
        formula: the score; with the strength, on which the label rests, where there is a label.
        source: paper that describes it.
        measured_on: the user's own ``text``, or the ``probe`` of random tokens said twice.
        threshold: least strength for the label; None: a figure only, never a label.
        rank: of two labels that both apply, the one with the lower rank is given.
        false_positive_rate: share of heads without any pattern that get the label at texts of 32 tokens and
            more: even spread, Dirichlet rows, softmax of normal noise with deviation 1, 2 and 4, and softmax
            of random queries and keys (upper bound, held by a test).
        without_first: also measured on the mass that is not on the first token, as ``NAME_without_first``.
    """

    name: str
    title: str
    formula: str
    source: str
    measured_on: Literal["text", "probe"] = "text"
    threshold: float | None = None
    rank: int = 99
    false_positive_rate: float | None = None
    without_first: bool = False

    @property
    def false_positives(self) -> str:
        """How often heads without a pattern get the label, in words."""
        if self.threshold is None:
            return "No label is given for this figure."
        if self.name == "uniform":
            return (
                f"At most {self.false_positive_rate:.1%} of heads with softmax of normal noise (deviation 1 "
                "and more) or of random queries and keys, on 32 tokens and more; an even or nearly even "
                "spread is what the label means."
            )
        return (
            f"At most {self.false_positive_rate:.1%} of heads without a pattern (even spread, Dirichlet "
            "rows, softmax of normal noise, random queries and keys), on 32 tokens and more."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the sentence as plain values."""
        return asdict(self) | {"false_positives": self.false_positives}


_CLARK = "Clark et al. 2019, arXiv:1906.04341"
_OLSSON = "Olsson et al. 2022, arXiv:2209.11895"

_FIXED = (
    Definition(
        "induction",
        "Induction",
        "mean over the second half of A[i, i - n + 1], on n random tokens said twice; " + _STRENGTH,
        _OLSSON,
        measured_on="probe",
        threshold=0.4,
        rank=1,
        false_positive_rate=0.001,
        without_first=True,
    ),
    Definition(
        "duplicate_token",
        "Duplicate token",
        "mean over the second half of A[i, i - n], on n random tokens said twice; " + _STRENGTH,
        "Wang et al. 2022, arXiv:2211.00593",
        measured_on="probe",
        threshold=0.4,
        rank=1,
        false_positive_rate=0.001,
        without_first=True,
    ),
    Definition(
        "previous_token",
        "Previous token",
        "mean of A[i, i - 1]; " + _STRENGTH,
        "Voita et al. 2019, arXiv:1905.09418",
        threshold=0.4,
        rank=1,
        false_positive_rate=0.001,
        without_first=True,
    ),
    Definition(
        "next_token",
        "Next token",
        "mean of A[i, i + 1], where both sides are seen; " + _STRENGTH,
        _CLARK,
        threshold=0.4,
        rank=1,
        false_positive_rate=0.001,
        without_first=True,
    ),
    Definition(
        "diagonal",
        "Itself",
        "mean of A[i, i]; " + _STRENGTH,
        _CLARK,
        threshold=0.4,
        rank=1,
        false_positive_rate=0.001,
        without_first=True,
    ),
    Definition(
        "prefix_matching",
        "Prefix matching",
        "mean mass on the tokens j < i that follow an earlier copy of token i, over the tokens that have "
        "one; " + _CONTENT,
        _OLSSON,
        threshold=0.4,
        rank=2,
        false_positive_rate=0.001,
        without_first=True,
    ),
    Definition(
        "duplicate_in_text",
        "Duplicate token in the text",
        "mean mass on earlier copies of token i, over the tokens that have one; " + _CONTENT,
        "Wang et al. 2022, arXiv:2211.00593",
        threshold=0.4,
        rank=2,
        false_positive_rate=0.001,
        without_first=True,
    ),
    Definition(
        "first_token",
        "First token",
        "mean of A[i, 0]; " + _STRENGTH,
        "Xiao et al. 2023, arXiv:2309.17453",
        threshold=0.4,
        rank=3,
        false_positive_rate=0.001,
    ),
    Definition(
        "uniform",
        "Uniform",
        "mean of -sum_j A ln A / ln n_i with n_i tokens seen; strength = mean of exp(-sum_j A ln A) / n_i",
        _CLARK,
        threshold=0.7,
        rank=6,
        false_positive_rate=0.03,
    ),
    Definition(
        "effective_share",
        "Share of the tokens seen that is really used",
        "mean of exp(-sum_j A ln A) / n_i",
        "Jost 2006, Entropy and diversity (the exponential of the entropy is an effective number)",
    ),
    Definition("confidence", "Confidence", "mean of max_j A[i, j]", "Voita et al. 2019, arXiv:1905.09418"),
    Definition(
        "mean_distance",
        "Mean distance",
        "mean of sum_j A[i, j] |i - j| / (the same for U): a uniform head has 1",
        "Vig and Belinkov 2019, arXiv:1906.04284",
    ),
)


def local_definition(window: int) -> Definition:
    """Return the definition of mass within ``window`` tokens, the looking one included."""
    return Definition(
        f"local_{window}",
        f"Local, {window} tokens",
        f"mean mass on |i - j| < {window}, over the tokens that see at least twice as many; " + _STRENGTH,
        "Sukhbaatar et al. 2019, arXiv:1905.07799",
        threshold=0.4,
        rank=5,
        false_positive_rate=0.001,
        without_first=True,
    )


def segment_definition(kind: str) -> Definition:
    """Return the definition of mass within the own segment (``line``, ``sentence``, ``turn``, ...)."""
    return Definition(
        f"{SEGMENT}{kind}",
        f"Own {kind}",
        f"mean mass on the own {kind} minus the mass that U has there, over the tokens that see others too; "
        "strength from the mass itself: (mass - baseline) / (1 - baseline), baseline = the larger of the "
        "mass of U and of the mass that the head's own spread over distances would give",
        "Kovaleva et al. 2019, arXiv:1908.08593 (block pattern)",
        threshold=0.2,
        rank=4,
        false_positive_rate=0.001,
        without_first=True,
    )


def definitions(segment_kinds: tuple[str, ...] = ()) -> tuple[Definition, ...]:
    """Return all definitions, with those of the given kinds of segments."""
    return (
        *_FIXED[:-4],
        *(segment_definition(kind) for kind in segment_kinds),
        *(local_definition(window) for window in LOCAL_WINDOWS),
        *_FIXED[-4:],
    )
