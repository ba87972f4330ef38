"""Label files, rank pairs and folds of the built clips."""

import itertools
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.mini_kvq.plan import Clip
from records.files import write_text
from records.hashing import seed_of
from records.labels import SPLITS, read_labels, write_labels
from records.pairs import KINDS, Pair, write_pairs

FOLDS = 5
# A judge could not tell closer ones apart; of two contents, only near ones are worth asking for.
NEAREST, FARTHEST = 0.1, 0.6
PAIRS_OF_A_KIND = 60
_TRIES = 4000


def write_tables(root: Path, clips: Sequence[Clip], scores: Mapping[str, float | None], seed: int) -> dict[str, int]:
    """Write ``{train,val,test}.csv``, ``{val,test}_pairs.csv``, ``folds.csv``, ``labels.csv`` and ``unlabelled.csv``.

    Args:
        root: Folder of the data set.
        clips: All clips; of the unlabelled ones only the contents are told.
        scores: Id to score.
        seed: Seed of pairs and folds.

    Returns:
        Id to fold.
    """
    known = {id: score for id, score in scores.items() if score is not None}
    for split in SPLITS:
        ids = [clip.id for clip in clips if clip.content.split == split]
        write_text(root / f"{split}.csv", "".join(["filename,score\n", *(f"{id},{known[id]:.2f}\n" for id in ids)]))
        if split != "train":
            rows = [clip for clip in clips if clip.content.split == split]
            write_pairs(
                root / f"{split}_pairs.csv", draw_pairs(rows, known, random.Random(seed_of(seed, "pairs", split)))
            )
    # Versions of one content are no copies of each other to whoever labels the pool.
    pool = [f"{clip.id},{clip.content.name}\n" for clip in clips if clip.content.split == "unlabelled"]
    write_text(root / "unlabelled.csv", "".join(["filename,group\n", *pool]))
    # Of all splits, to score pooled predictions of the folds.
    write_labels(root / "labels.csv", [label for split in SPLITS for label in read_labels(root / f"{split}.csv")])
    labelled = [clip for clip in clips if clip.id in known]
    fold_of = draw_folds(labelled, known, random.Random(seed_of(seed, "folds")))
    folds = {clip.id: fold_of[clip.content.source] for clip in labelled}
    write_text(root / "folds.csv", "".join(["filename,fold\n", *(f"{id},{fold}\n" for id, fold in folds.items())]))
    return folds


def draw_pairs(clips: Sequence[Clip], scores: Mapping[str, float], rng: random.Random) -> list[Pair]:
    """Up to 60 pairs of two contents and 60 within one, without near ties, in drawn order of the two files."""
    pairs = []
    for kind in KINDS:
        found = []
        for first, second in itertools.combinations(clips, 2):
            # The grid of 0.01 is not one of binary fractions.
            gap = round(abs(scores[first.id] - scores[second.id]), 2)
            same = first.content is second.content
            if gap >= NEAREST and (same if kind == "source" else not same and gap <= FARTHEST):
                found.append((first.id, second.id))
        for pair in rng.sample(found, min(PAIRS_OF_A_KIND, len(found))):
            first_id, second_id = rng.sample(pair, 2)
            pairs.append(Pair(kind, first_id, second_id, 1 if scores[first_id] > scores[second_id] else 2))
    return pairs


def draw_folds(clips: Sequence[Clip], scores: Mapping[str, float], rng: random.Random) -> dict[str, int]:
    """Fold of each source: of many drawn divisions, the one most even in count, mean and range of the labels."""
    of_source: dict[str, list[float]] = {}
    for clip in clips:
        of_source.setdefault(clip.content.source, []).append(scores[clip.id])
    sources = list(of_source)
    folds = min(FOLDS, len(sources))
    places = [place % folds for place in range(len(sources))]
    best: tuple[float, list[int]] | None = None
    for _ in range(_TRIES):
        rng.shuffle(places)
        groups: list[list[float]] = [[] for _ in range(folds)]
        for source, fold in zip(sources, places, strict=True):
            groups[fold] += of_source[source]
        unevenness = (
            _spread([len(group) * folds / len(clips) for group in groups])
            + _spread([sum(group) / len(group) for group in groups])
            + _spread([max(group) - min(group) for group in groups])
        )
        if best is None or unevenness < best[0]:
            best = unevenness, list(places)
    assert best is not None
    return dict(zip(sources, best[1], strict=True))


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values)
