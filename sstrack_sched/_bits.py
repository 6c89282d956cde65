"""Bit mask of visible frames with rank and select, compact enough for 10^9 frames.

`rank` counts the visible frames before a position; `select` finds the k-th visible frame. Neither
gets slower with a larger mask. With a 32-bit count per 64 frames a mask takes 0.19 bytes per frame.
"""

from __future__ import annotations

import sys
from typing import Type, TypeVar

import numpy as np

from ._types import Array, Ints, Mask

if sys.byteorder != "little":  # packed bytes are viewed as words
    raise ImportError("sstrack_sched runs on little-endian machines only")

MAX_BITS = 2**32 - 1
Bits = TypeVar("Bits", bound="RankedBits")

# Words of one repeated byte: 01010101, 00110011, 00001111; then 1 and 128.
_PAIRS, _NIBBLES, _LOW = 0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F
_ONES, _HIGH = 0x0101010101010101, 0x8080808080808080

# Position of the k-th set bit, eight entries for each of the 256 bytes.
_BYTES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, np.newaxis], axis=1, bitorder="little")
_BYTE_SELECT = np.argsort(1 - _BYTES, axis=1, kind="stable").astype(np.int64).ravel()


def _running_counts(words: Array) -> Array:
    """Count the set bits in bytes 0 to b of each word; byte b of the result holds the count."""
    counts = words - ((words >> 1) & _PAIRS)
    counts = (counts & _NIBBLES) + ((counts >> 2) & _NIBBLES)
    counts = (counts + (counts >> 4)) & _LOW
    return counts * _ONES


class RankedBits:
    """Bit mask with rank and select."""

    def __init__(self, words: Array, ranks: Array) -> None:
        self.words = words  # uint64: 64 bits each, lowest first, and a spare word of zeros
        self.ranks = ranks  # uint32: set bits before each word

    @classmethod
    def from_bytes(cls: Type[Bits], packed: Array) -> Bits:
        """Build from packed bits, the lowest bit of each byte first."""
        spare = -len(packed) % 8 + 8
        words = np.concatenate([packed, np.zeros(spare, dtype=np.uint8)]).view(np.uint64)
        ranks = np.zeros(len(words), dtype=np.uint32)
        np.cumsum(_running_counts(words[:-1]) >> 56, out=ranks[1:], dtype=np.uint32)
        return cls(words, ranks)

    def unpack(self, start: int, stop: int) -> Mask:
        """Return bits `start` to `stop - 1` as booleans."""
        first = start // 8
        packed = self.words.view(np.uint8)[first : -(-stop // 8)]
        bits = np.unpackbits(packed, bitorder="little")
        return bits[start - 8 * first : stop - 8 * first].view(np.bool_)

    def rank(self, position: Ints) -> Ints:
        """Count the set bits before each position."""
        index = position >> 6
        below = (np.uint64(1) << (position & 63).astype(np.uint64)) - np.uint64(1)
        counts = _running_counts(self.words[index] & below) >> 56
        return self.ranks[index] + counts.astype(np.int64)

    def select(self, rank: Ints, low: Ints, high: Ints) -> Ints:
        """Find the set bit in [low, high) that has `rank` set bits before it."""
        index = self._word_of(rank, low >> 6, (high - 1) >> 6)
        within = (rank - self.ranks[index]).astype(np.uint64)
        words = self.words[index]
        running = _running_counts(words)
        # The high bit of a byte of `passed` is set if the bit sought is in a later byte.
        passed = ((within * _ONES) | _HIGH) - running & _HIGH
        shift = ((passed >> 7) * _ONES >> 56) * 8
        within -= (running << 8) >> shift & 0xFF
        byte = words >> shift & 0xFF
        bit = _BYTE_SELECT[(byte * 8 + within).astype(np.int64)]
        return (index << 6) + shift.astype(np.int64) + bit

    def _word_of(self, rank: Ints, low: Ints, high: Ints) -> Ints:
        """Find the last word in ``[low, high]`` with at most `rank` set bits before it."""
        for _ in range(int((high - low).max(initial=0)).bit_length()):
            middle = (low + high + 1) >> 1
            right = self.ranks[middle] <= rank
            low, high = np.where(right, middle, low), np.where(right, high, middle - 1)
        return low


class AllSet:
    """Replacement of `RankedBits` if every bit is set: rank and select are the identity."""

    def unpack(self, start: int, stop: int) -> Mask:
        """Return bits `start` to `stop - 1` as booleans."""
        return np.ones(stop - start, dtype=bool)

    def rank(self, position: Ints) -> Ints:
        """Count the set bits before each position."""
        return position

    def select(self, rank: Ints, low: Ints, high: Ints) -> Ints:  # noqa: ARG002 (RankedBits' signature)
        """Find the set bit that has `rank` set bits before it."""
        return rank
