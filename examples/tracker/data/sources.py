"""Videos and stills from several places, each with its share of the pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import List, Optional, Tuple

from .coco import find_instances, read_coco
from .readers import read_split
from .sequences import Sequence

PHOTOS = "photos:"
Split = Tuple[List[Sequence], List[Sequence]]


@dataclass(frozen=True)
class Source:
    """A place to read from.

    Parameters
    ----------
    path : Path
        Folder, or an annotation file.
    weight : float
        How often it is drawn from, beside the others.
    photos : bool
        Whether it holds photographs to composite clips of.
    """

    path: Path
    weight: float = 1.0
    photos: bool = False

    @classmethod
    def parse(cls, text: str) -> Source:
        """A source from ``[photos:]PATH[=WEIGHT]``.

        Parameters
        ----------
        text : str
            As on the command line. A path that is there is taken whole, whatever is in its name.

        Returns
        -------
        Source

        Raises
        ------
        ValueError
            If the path is empty or the weight is not positive.
        """
        photos = text.startswith(PHOTOS)
        words = text[len(PHOTOS) :] if photos else text
        head, equals, tail = words.rpartition("=")
        weight = _number(tail) if equals and not Path(words).exists() else None
        path = words if weight is None else head
        weight = 1.0 if weight is None else weight
        if not path:
            raise ValueError(f"data must be a path or PATH=WEIGHT; got {text!r}")
        if not 0 < weight < math.inf:
            raise ValueError(f"weight of data must be positive; got {weight:g} in {text!r}")
        return cls(Path(path), weight, photos)

    def read(
        self,
        clips: Tuple[int, int],
        seed: int,
        drift: float,
        held_out: float,
        cache: Optional[Path],
    ) -> Split:
        """Sequences to train on and to report on; see `read_sources`."""
        if self.photos:
            from ..synthetic.composite import composite_clips
            from ..synthetic.drift import Drift

            train, test = (
                composite_clips(self.path, n, seed=seed + i, drift=Drift(drift)) if n else []
                for i, n in enumerate(clips)
            )
            return train, [replace(clip, name=f"test-{clip.name}") for clip in test]
        if find_instances(self.path) is not None:
            return read_coco(self.path), []
        return read_split(self.path, held_out=held_out, cache=cache)


def _number(text: str) -> Optional[float]:
    try:
        return float(text)
    except ValueError:
        return None


def read_sources(
    texts: Tuple[str, ...],
    *,
    n_clips: int = 1000,
    n_test_clips: int = 0,
    drift: float = 1.0,
    seed: int = 0,
    held_out: float = 0.25,
    cache: Optional[Path] = None,
) -> Split:
    """Read all places of a mix.

    Parameters
    ----------
    texts : tuple of str
        Of each, ``[photos:]PATH[=WEIGHT]``: a folder of videos as `read_sequences` takes, COCO data
        as `read_coco` takes, or, behind ``photos:``, a folder of photographs, of which clips are
        composited.
    n_clips, n_test_clips, seed : int
        Of composited clips, to train on and, other ones of the same photographs, to report on.
    drift : float, default=1.0
        Strength with which the look of composited things drifts.
    held_out : float, default=0.25
        Share of videos to report on; see `read_split`. Stills are all trained on.
    cache : Path, optional
        Where video files are decoded to; see `read_clip`.

    Returns
    -------
    train, test : list of Sequence
        With several places, a pair's place is drawn by weight (to report on: all alike), and then
        a sequence in it.

    Raises
    ------
    FileNotFoundError, ValueError
        If a place cannot be read, or a weight is not positive.
    """
    sources = [Source.parse(text) for text in texts]
    splits = [
        source.read((n_clips, n_test_clips), seed, drift, held_out, cache) for source in sources
    ]
    weights = [source.weight for source in sources]
    train, test = zip(*splits)
    return _mixed(list(train), weights), _mixed(list(test), [1.0] * len(sources))


def _mixed(parts: List[List[Sequence]], weights: List[float]) -> List[Sequence]:
    """All sequences, each place drawn from by its weight; a single one keeps those that it has."""
    filled = [(part, weight) for part, weight in zip(parts, weights) if part]
    if len(filled) == 1:
        return filled[0][0]
    return [replace(one, weight=weight / len(part)) for part, weight in filled for one in part]
