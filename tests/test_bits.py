"""Bits with rank and select against lists."""

import numpy as np
import pytest

from sstrack_sched._bits import AllSet, RankedBits


@pytest.mark.parametrize("n", [1, 7, 8, 63, 64, 65, 128, 1000])
@pytest.mark.parametrize("share", [0.03, 0.5, 1.0])
def test_bits_count_find_and_give_back_what_was_packed(n, share):
    flags = np.random.default_rng(n).random(n) < share
    bits, ones = RankedBits.from_bytes(np.packbits(flags, bitorder="little")), np.flatnonzero(flags)
    positions = np.arange(n + 1)
    assert bits.rank(positions).tolist() == [int(flags[:k].sum()) for k in positions]
    for low, high in [(0, n), (n // 3, n), (0, n - n // 3), (n // 3, n // 3 + 1)]:
        assert bits.unpack(low, high).tolist() == flags[low:high].tolist()
        ranks = np.flatnonzero((ones >= low) & (ones < high))
        window = [np.full(len(ranks), edge) for edge in (low, high)]
        assert bits.select(ranks, *window).tolist() == ones[ranks].tolist()
    if share == 1:
        assert AllSet().unpack(1, n).tolist() == bits.unpack(1, n).tolist()
        assert AllSet().rank(positions) is positions
