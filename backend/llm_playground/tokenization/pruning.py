"""Making a vocabulary smaller without breaking what stays.

A token can only be kept together with the tokens it is merged from, all the way down to bytes; else it is in
the vocabulary, but no text becomes it. So kept are: the 256 bytes, all added tokens, and chosen tokens with
all their *ancestors*, those in the merges that encoding the token's own text applies. The kept merges stay in
their order. From this follow two guarantees:

1. Decoding is unchanged: every text still encodes (bytes are all there) and decodes to itself.
2. A text whose old encoding consists of kept tokens has the same encoding, with new ids. For when the old
   tokenizer makes a token, the merges within it are those of encoding the token alone (no merge crosses its
   ends), hence kept; at each step the old best pair is there, and it is still the best, as the kept pairs are
   some of the old ones in the same order; and where the old merging ends, no kept pair is left either.

Where ranks stand for merges (tiktoken), the same holds with the pairs that join to a kept token. A token that
no merge makes, but that a whole piece of text may become (Llama 3), is kept without ancestors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

from llm_playground.core.errors import ConfigError, InputError
from llm_playground.tokenization.bpe import BPETokenizer
from llm_playground.tokenization.merging import NEVER, JoinedPairs, ListedPairs, Pair


class PrunedVocabulary(NamedTuple):
    """A smaller tokenizer and where its ids come from.

    Attributes:
        tokenizer: the new one.
        id_map: old id -> new id, of the kept tokens, both in the same order.
    """

    tokenizer: BPETokenizer
    id_map: dict[int, int]


@dataclass(frozen=True)
class PruningProof:
    """What :func:`verify_pruning` saw.

    Attributes:
        texts: texts looked at, and the lines and words of each on their own.
        tokens_before, tokens_after: tokens of the texts by the old and the new tokenizer.
        unchanged: texts, lines and words made of kept tokens only, which all must encode the same.
        decode_failures: those that the new tokenizer does not decode to themselves.
        encode_failures: those made of kept tokens only that encode otherwise.
    """

    texts: int
    tokens_before: int
    tokens_after: int
    unchanged: int
    decode_failures: tuple[str, ...]
    encode_failures: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether both guarantees held."""
        return not self.decode_failures and not self.encode_failures

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        return {**vars(self), "holds": self.holds}


def prune_vocabulary(
    tokenizer: BPETokenizer, keep: Mapping[int, int] | Iterable[str], size: int
) -> PrunedVocabulary:
    """Keep the most used tokens of a vocabulary, with all they are merged from.

    Tokens are taken by their count, the most frequent first, each with the ancestors still missing; one that
    does not fit any more is passed over. Room left over goes to tokens never met, lowest id first.

    Args:
        tokenizer: a byte-level BPE tokenizer.
        keep: id -> occurrences, such as ``Coverage.counts``, or the texts to count.
        size: ids of the result, at least 256 and the added tokens.

    Raises:
        ConfigError: the size is too small, or greater than the vocabulary.
        InputError: the tokenizer is not byte-level, or an id is out of range.
    """
    if tokenizer.names:
        raise InputError("Only byte-level BPE can be pruned; this vocabulary is made of characters.")
    counts = keep if isinstance(keep, Mapping) else _count(tokenizer, keep)
    for token in counts:
        tokenizer.token_bytes(token)
    kept = {token for token, value in tokenizer.ordinary_tokens.items() if len(value) == 1}
    kept |= set(tokenizer.added.by_id)
    if size < len(kept):
        raise ConfigError(
            f"size: {size} is too small.",
            hint=f"The bytes and the added tokens need {len(kept)} ids.",
            field="size",
        )
    if size > tokenizer.vocab_size:
        raise ConfigError(
            f"size: {size} is more than the {tokenizer.vocab_size} ids of the tokenizer.", field="size"
        )
    others = [token for token in tokenizer.ordinary_tokens if token not in kept]
    ancestors = _Ancestors(tokenizer)
    for token in sorted(others, key=lambda token: (-counts.get(token, 0), token)):
        if len(kept) == size:
            break
        wanted = ancestors.of(token) - kept
        if len(kept) + len(wanted) <= size:
            kept |= wanted
    id_map = {old: new for new, old in enumerate(sorted(kept))}
    return PrunedVocabulary(_smaller(tokenizer, id_map), id_map)


def verify_pruning(
    before: BPETokenizer, after: BPETokenizer, id_map: Mapping[int, int], texts: Iterable[str]
) -> PruningProof:
    """Check both guarantees on texts, and on each line and each word of them.

    Args:
        before, after, id_map: what :func:`prune_vocabulary` was given and gave.
        texts: any texts.
    """
    looked = tokens_before = tokens_after = unchanged = 0
    decode_failures: list[str] = []
    encode_failures: list[str] = []
    for text in texts:
        looked += 1
        for part in dict.fromkeys([text, *text.splitlines(keepends=True), *text.split(), *text.split(" ")]):
            old, new = before.encode_ordinary(part), after.encode_ordinary(part)
            if part is text:
                tokens_before, tokens_after = tokens_before + len(old), tokens_after + len(new)
            if after.decode(new) != before.decode(old):
                decode_failures.append(part)
            if all(token in id_map for token in old):
                unchanged += 1
                if [id_map[token] for token in old] != new:
                    encode_failures.append(part)
    return PruningProof(
        looked, tokens_before, tokens_after, unchanged, tuple(decode_failures), tuple(encode_failures)
    )


def remap_embeddings(matrix: Any, id_map: Mapping[int, int]) -> Any:
    """Return the rows of the kept tokens in their new order.

    Args:
        matrix: embeddings or output weights, [old ids, width]: a numpy array or a torch tensor. Rows beyond
            the vocabulary (padding) are left out.
        id_map: old id -> new id.

    Raises:
        InputError: the matrix has too few rows.
    """
    rows = sorted(id_map, key=id_map.__getitem__)
    if rows and len(matrix) <= max(rows):
        raise InputError(
            f"The matrix has {len(matrix)} rows, but the vocabulary has an id {max(rows)}.", field="matrix"
        )
    return matrix[rows]


def _count(tokenizer: BPETokenizer, texts: Iterable[str]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for text in [texts] if isinstance(texts, str) else texts:
        counts.update(tokenizer.encode_ordinary(text))
    return counts


class _Ancestors:
    """The tokens that a token is merged from, and the token itself."""

    def __init__(self, tokenizer: BPETokenizer) -> None:
        self._tokens = tokenizer.ordinary_tokens
        self._ids = {value: token for token, value in self._tokens.items()}
        self._pairs: ListedPairs | JoinedPairs
        if tokenizer.has_listed_merges:
            self._pairs = ListedPairs(tokenizer.merges)
        else:
            rank = tokenizer.scores or {token: token for token in self._tokens}
            ranks = {value: rank[token] for value, token in self._ids.items() if token in rank}
            self._pairs = JoinedPairs(self._tokens, ranks)

    def of(self, token: int) -> set[int]:
        """Merge the token's bytes as encoding does; what merges do not make stands for itself (Llama 3)."""
        parts = [self._ids[bytes([byte])] for byte in self._tokens[token]]
        met = {token}
        while len(parts) > 1:
            ranks = [self._pairs[pair] for pair in pairwise(parts)]
            place = ranks.index(min(ranks))
            if ranks[place] == NEVER:
                return {token}
            parts[place : place + 2] = [self._ids[b"".join(map(self._tokens.__getitem__, parts[place:][:2]))]]
            met.add(parts[place])
        return met


def _smaller(tokenizer: BPETokenizer, id_map: Mapping[int, int]) -> BPETokenizer:
    """Return the tokenizer of the kept tokens and the merges between them, everything else as it was."""
    tokens = {id_map[old]: value for old, value in tokenizer.ordinary_tokens.items() if old in id_map}
    scores = {id_map[old]: score for old, score in (tokenizer.scores or {}).items() if old in id_map}
    merges: list[Pair] | None = None
    if tokenizer.has_listed_merges:
        values = set(tokens.values())
        merges = [
            (id_map[left], id_map[right])
            for left, right in tokenizer.merges
            if left in id_map
            and right in id_map
            and tokenizer.token_bytes(left) + tokenizer.token_bytes(right) in values
        ]
    return BPETokenizer(
        tokens,
        merges,
        pattern=tokenizer.pattern or "gpt2",
        chat_template=tokenizer.chat_template,
        added_tokens=[replace(token, id=id_map[token.id]) for token in tokenizer.added],
        normalizer=tokenizer.normalizer,
        pre_tokenizer=None if tokenizer.pattern else tokenizer.pre_tokenizer,
        scores=scores or None,
        ignore_merges=tokenizer.ignore_merges,
        roles=tokenizer.roles,
    )
