"""Words of a technician -> ranked actions: BM25 over fields, synonyms, verbs and near misses.

Built at first use, over the tools and all other operations. Synonyms come from the manifests, the shipped catalogue
and `thesaurus.toml`; every word of a question counts once, by its best match, so that many synonyms do not shout down
the rest. No file but that table, no network, nothing that decides about a call.
"""

from __future__ import annotations

import math
import threading
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path

from cipp_mcp.catalog.api import Document
from cipp_mcp.catalog.effect import Effect
from cipp_mcp.catalog.intent import asked_for, does
from cipp_mcp.catalog.manifests import shipped_folder
from cipp_mcp.catalog.wording import near, pieces, stem, stems, stems_of_each, words
from cipp_mcp.errors import ManifestError

MOST_STEMS = 24
_WEIGHTS = {"title": 2.0, "words": 3.0, "summary": 1.6, "said": 1.0, "fields": 0.25}
_PAIRED = {"title": 1.0, "words": 1.0, "summary": 1.0, "said": 0.7}
_SATURATION = 2.2
_LENGTH = 0.4
_SYNONYM = 0.6
_NEAR_MISS = 0.7
_PHRASE = 0.5
_PAIR = 0.45
_REVIEWED = 1.12
_LEFT_OUT = 0.9
_TEMPLATE = 0.62
_OTHER_VERB = 0.7
_NO_VERB = 0.96
_CLEAR = 1.3
_MET = 0.5  # of what the question's words are worth
_NAMED = 1000.0
_VERB = 0.55
_TELL_LITTLE = """
list show see find look view read check get add create new make change set edit update put give go goes come bring take run
start do delete remove use using used work works shows say says tell keep try open who which what whose where when why many manage
"""
_VERBS = frozenset(map(stem, _TELL_LITTLE.split()))
"""Words that tell the kind of deed, which is judged apart, and little about its object."""
_VERBS_OF_NAMES = frozenset(map(stem, ("exec", "cipp", "manage", "query", "search", "reveal", "user", "tenant")))
_WHOLE_NAME = 1.12
_TEMPLATE_WORDS = frozenset(map(stem, ("template", "templates", "preset", "presets", "blueprint", "saved", "save")))


@dataclass(frozen=True, slots=True)
class Hit:
    """One action that may be meant.

    Attributes:
        action: what `Api.get` takes.
        endpoint: the name of the endpoint that it uses.
        score: comparable within one answer.
        clear: it stands well above the next one; at most the first hit of an answer.
        left_out: why it is never called; empty for everything that can be.
    """

    action: str
    endpoint: str
    effect: Effect
    title: str
    summary: str
    score: float
    clear: bool = False
    left_out: str = ""


@cache
def thesaurus(file: Path | None = None) -> Mapping[tuple[str, ...], frozenset[tuple[str, ...]]]:
    """Stems of a word or phrase -> those that mean the same.

    Raises:
        ManifestError: the table is missing or damaged.
    """
    try:
        groups = tomllib.loads((file or shipped_folder() / "thesaurus.toml").read_text(encoding="utf-8"))["same"]
    except OSError:
        raise ManifestError("thesaurus.toml is not in this installation.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError):
        raise ManifestError("thesaurus.toml is damaged.") from None
    found: dict[tuple[str, ...], set[tuple[str, ...]]] = defaultdict(set)
    for group in groups:
        terms = {t for word in group.split(",") if (t := tuple(stems(word)))}
        for term in terms:
            found[term] |= terms - {term}
    return {term: frozenset(others) for term, others in found.items()}


class Search:
    """An index over documents, built when it is first asked; threads may ask side by side."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._given = documents
        self._asked = threading.Lock()

    def find(self, query: str, limit: int = 5, *, reads_only: bool = False) -> list[Hit]:
        """The best actions for a question, best first.

        Args:
            reads_only: leave out what is not a read.
        """
        with self._asked:  # of those who come first only one may build the index
            return self._found(query, limit, reads_only)

    def _found(self, query: str, limit: int, reads_only: bool) -> list[Hit]:
        wanted = list(dict.fromkeys(stems(query if " " in query.strip() else pieces(query))))[:MOST_STEMS]
        worth = {word: self._worth(word) for word in wanted}
        scores, met = self._matched(wanted, worth)
        named = self._names.get(query.strip().casefold())
        if named is not None:
            scores[named] = scores.get(named, 0.0) + 1.0
        verbs, said, whole = asked_for(query), set(wanted), sum(worth.values()) or 1.0
        ranked = []
        for at, score in scores.items():
            if reads_only and self._documents[at].effect is not Effect.READ:
                continue
            share = met.get(at, 0.0) / whole
            phrases = sum(sum(map(self._rarity, p)) for p in self._bags[at].phrases if said.issuperset(p))
            total = (score + _PHRASE * phrases) * (0.45 + 0.55 * share) * self._fits(at, said, verbs)
            ranked.append((_NAMED + total if at == named else total, share, at))
        ranked.sort(key=lambda r: (-r[0], r[2]))
        return self._hits(ranked[: max(0, limit) + 1], limit)

    def _matched(self, wanted: list[str], worth: Mapping[str, float]) -> tuple[dict[int, float], dict[int, float]]:
        """Document -> what its best matches are worth, and what the matched words are worth in the question."""
        scores: dict[int, float] = defaultdict(float)
        met: dict[int, float] = defaultdict(float)
        for place, word in enumerate(wanted):
            best: dict[int, float] = {}
            for variant, weight in self._variants(wanted, place).items():
                most = weight * min(self._rarity(variant), worth[word])
                for at, strength in self._postings.get(variant, {}).items():
                    best[at] = max(best.get(at, 0.0), most * strength)
            for at, gain in best.items():
                scores[at] += gain
                met[at] += worth[word]
        for pair in pairwise(wanted):
            together = _PAIR * (worth[pair[0]] + worth[pair[1]]) / 2
            for at in self._postings.get(pair[0], {}).keys() & self._postings.get(pair[1], {}).keys():
                scores[at] += together * self._bags[at].side_by_side(pair)
        return scores, met

    def suggest(self, query: str) -> dict[str, str]:
        """Word of the question that nothing has -> the nearest one that something has."""
        with self._asked:
            unknown = [word for word in words(query)[:MOST_STEMS] if not self._known(stem(word))]
            return {word: other for word in unknown if (other := near(word, self._vocabulary)) is not None}

    def _hits(self, ranked: list[tuple[float, float, int]], limit: int) -> list[Hit]:
        hits = []
        for place, (score, share, at) in enumerate(ranked[:limit]):
            d = self._documents[at]
            above = len(ranked) == 1 or score >= _CLEAR * ranked[1][0]
            clear = place == 0 and not d.left_out and above and (share >= _MET or score >= _NAMED)
            hits.append(Hit(d.action, d.endpoint, d.effect, d.title, d.summary, round(score, 3), clear, d.left_out))
        return hits

    def _fits(self, at: int, said: set[str], verbs: frozenset[str]) -> float:
        d = self._documents[at]
        factor = _REVIEWED if d.reviewed else 1.0
        if d.left_out:
            factor *= _LEFT_OUT
        if self._bags[at].object and said >= self._bags[at].object:
            factor *= _WHOLE_NAME
        if "Template" in d.endpoint and not said & _TEMPLATE_WORDS:
            factor *= _TEMPLATE
        if not verbs:
            return factor * (1.0 if d.effect is Effect.READ else _NO_VERB)
        return factor * (1.0 if does(d) & verbs else _OTHER_VERB)

    def _variants(self, wanted: list[str], at: int) -> dict[str, float]:
        """The word at that place, what means the same as it or as a phrase that begins with it, near misses of it."""
        word = wanted[at]
        found = {word: 1.0}
        for length in (3, 2, 1):
            for other in thesaurus().get(tuple(wanted[at : at + length]), ()):
                for part in other:
                    found[part] = max(found.get(part, 0.0), _SYNONYM / math.sqrt(len(other)))
        if not self._known(word) and (other_word := near(word, self._postings)) is not None:
            found[other_word] = _NEAR_MISS
        return found

    def _worth(self, word: str) -> float:
        """What a word of the question counts at most; a word that nothing has counts as a rare one that is missed."""
        rarity = self._rarity(word) or self._rarest
        return rarity * _VERB if word in _VERBS else rarity

    def _known(self, word: str) -> bool:
        return word in self._postings or (word,) in thesaurus()

    def _rarity(self, word: str) -> float:
        count = len(self._postings.get(word, ()))
        return math.log(1 + (len(self._documents) - count + 0.5) / (count + 0.5)) if count else 0.0

    @property
    def _rarest(self) -> float:
        return math.log(1 + len(self._documents) / 3)

    @cached_property
    def _documents(self) -> list[Document]:
        return list(self._given)

    @cached_property
    def _names(self) -> Mapping[str, int]:
        """What is written out as a name is that action."""
        found = {d.endpoint.casefold(): at for at, d in enumerate(self._documents)}
        return found | {d.action.casefold(): at for at, d in enumerate(self._documents)}

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        """The words of all documents as they are written."""
        texts = (" ".join((pieces(d.endpoint), d.title, d.summary, *d.words)) for d in self._documents)
        return frozenset(w for text in texts for w in words(text))

    @cached_property
    def _bags(self) -> list[_Bag]:
        return [_bag(d) for d in self._documents]

    @cached_property
    def _postings(self) -> Mapping[str, Mapping[int, float]]:
        """Word -> document -> how strongly it has it."""
        bags = [b.parts for b in self._bags]
        usual = {part: sum(len(b[part]) for b in bags) / max(1, len(bags)) or 1.0 for part in _WEIGHTS}
        found: dict[str, dict[int, float]] = defaultdict(dict)
        for at, bag in enumerate(bags):
            strength: dict[str, float] = {}
            for part, listed in bag.items():
                gain = _WEIGHTS[part] / (1 - _LENGTH + _LENGTH * len(listed) / usual[part])
                for word in listed:
                    strength[word] = strength.get(word, 0.0) + gain
            for word, value in strength.items():
                found[word][at] = value / (_SATURATION + value) * (1 + _SATURATION)
        return dict(found)


@dataclass(frozen=True, slots=True)
class _Bag:
    """The stems of one document.

    Attributes:
        parts: part -> words in their order.
        phrases: of those of its synonyms that have several words.
        object: of its name without the verb.
    """

    parts: Mapping[str, list[str]]
    phrases: list[list[str]]
    object: frozenset[str]

    def side_by_side(self, pair: tuple[str, str]) -> float:
        """1 where the two words follow each other, less where they do so in the search-only text."""
        parts = ((part, self.parts[part]) for part in _PAIRED)
        return max((_PAIRED[part] for part, listed in parts if pair in pairwise(listed)), default=0.0)


def _bag(d: Document) -> _Bag:
    tool = d.action if d.reviewed else ""
    texts = (pieces(d.endpoint), pieces(tool), d.summary, d.said, pieces(" ".join(d.fields)), *d.words)
    named, called, summary, said, fields, *listed = stems_of_each(texts)
    joined = [a + b for name in (named, called) for a, b in pairwise(name)]
    parts = {
        "title": named + called + joined,
        "words": [s for phrase in listed for s in phrase],
        "summary": summary,
        "said": said,
        "fields": fields,
    }
    return _Bag(parts, [phrase for phrase in listed if len(phrase) > 1], frozenset(called or named) - _VERBS - _VERBS_OF_NAMES)
