"""Posts of the 20 newsgroups as counts of words: which words, how they are scaled, and a topic model to stand in."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

GROUPS = (
    "alt.atheism",
    "comp.graphics",
    "comp.os.ms-windows.misc",
    "comp.sys.ibm.pc.hardware",
    "comp.sys.mac.hardware",
    "comp.windows.x",
    "misc.forsale",
    "rec.autos",
    "rec.motorcycles",
    "rec.sport.baseball",
    "rec.sport.hockey",
    "sci.crypt",
    "sci.electronics",
    "sci.med",
    "sci.space",
    "soc.religion.christian",
    "talk.politics.guns",
    "talk.politics.mideast",
    "talk.politics.misc",
    "talk.religion.misc",
)
# What is left of "don't" or "I've" where only letters count.
FRAGMENTS = frozenset("aren couldn didn doesn don hadn hasn haven isn ll shouldn ve wasn weren won wouldn".split())
MOST = 15  # a word that a post holds as often, or more often, has the value 1


WORD = "[a-z]{2,}"  # of a post in lower case


def vocabulary(posts: Iterable[str], n: int) -> tuple[str, ...]:
    """The n words in the largest number of posts, stop words apart; in alphabetical order, and so at a tie."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

    counter = CountVectorizer(token_pattern=WORD, stop_words=sorted(ENGLISH_STOP_WORDS | FRAGMENTS), binary=True)
    seen = np.asarray(counter.fit_transform(posts).sum(0))[0]  # posts that hold each word
    most = np.argsort(-seen, kind="stable")[:n]
    return tuple(counter.get_feature_names_out()[np.sort(most)].tolist())


def count_words(posts: Iterable[str], words: Sequence[str]) -> Tensor:
    """How often each post holds each word, (N, words), float32."""
    from sklearn.feature_extraction.text import CountVectorizer

    counts = CountVectorizer(token_pattern=WORD, vocabulary=words, dtype=np.float32).transform(posts)
    return torch.from_numpy(counts.toarray())


def log_scale(counts: Tensor) -> Tensor:
    """log2(1 + count) / 4, at most 1: no word 0, one .25, three .5, seven .75, fifteen or more 1."""
    return counts.clamp(max=MOST).log1p() / math.log1p(MOST)


def unscale(x: Tensor) -> Tensor:
    """The counts behind `log_scale`; those above 15 come back as 15."""
    return (x * math.log1p(MOST)).expm1().round()


def topic_model(n: int, words: int, generator: torch.Generator) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """A stand-in: counts (n, words), groups (n,) and words of a topic model with one topic a group.

    A quarter of the words belong to the groups, equal parts to each, the others are common to all; the k-th word of
    either kind is drawn in proportion to 1 / (k + 5). A post has 10 to 60 words. Each is the own group's with
    probability .3, that of the next group in the list with .1, and common otherwise.
    """
    each = max(1, words // (4 * len(GROUPS)))
    common = words - each * len(GROUPS)

    def zipf(m: int) -> Tensor:
        weight = 1 / (torch.arange(m, dtype=torch.float64) + 5)
        return weight / weight.sum()

    p = torch.zeros(len(GROUPS), words, dtype=torch.float64)
    for g in range(len(GROUPS)):
        for owner, share in ((g, 0.3), ((g + 1) % len(GROUPS), 0.1)):
            p[g, common + owner * each : common + (owner + 1) * each] = share * zipf(each)
        p[g, :common] = 0.6 * zipf(common)
    groups = torch.randint(len(GROUPS), (n,), generator=generator)
    drawn = torch.multinomial(p[groups], 60, replacement=True, generator=generator)
    length = torch.randint(10, 61, (n, 1), generator=generator)
    counts = torch.zeros(n, words).scatter_add_(1, drawn, (torch.arange(60) < length).float())
    names = [f"common-{k}" for k in range(common)] + [f"{group}-{k}" for group in GROUPS for k in range(each)]
    return counts, groups, tuple(names)
