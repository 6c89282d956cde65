"""A state machine: record, step, save and load in any order, against a shadow never saved.

Two machines: one of plain options, one with bins that cannot be filled, a random
distribution, a cap and an update rule. The shadow gets the same recordings and steps but
is never saved, loaded or shown a bad call; the model of ``reference.py`` checks the
numbers themselves.
"""

from __future__ import annotations

import json
import pickle
import types

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from sstrack_sched import SuccessAwareScheduler, SuccessStatistics
from tests.properties.strategies import recordings
from tests.reference import SchedulerModel

N_BINS = 4


def view(scheduler):
    """Everything that a caller can see, to the last bit."""
    return (
        json.dumps(scheduler.state_dict(), sort_keys=True, allow_nan=False),
        scheduler.epoch,
        [x.hex() for x in scheduler.distribution.tolist()],
        [x.hex() for x in scheduler.loss_weights.tolist()],
        [x.hex() for x in scheduler.success_rate.tolist()],
        float(scheduler.redetection).hex(),
        float(scheduler.threshold).hex(),
        float(scheduler.expected_success).hex(),
        repr(scheduler.history),
    )


class Machine(RuleBasedStateMachine):
    options = types.MappingProxyType(dict(total_epochs=4))
    bins = (0, 1, 2, 3)

    def __init__(self):
        super().__init__()
        self.scheduler = self.fresh()
        self.shadow = self.fresh()
        self.model = SchedulerModel(N_BINS, **self.options)
        self.pending = 0
        self.saved = None

    def fresh(self):
        return SuccessAwareScheduler(N_BINS, **self.options)

    def draw(self, data):
        return data.draw(recordings(N_BINS, bins=self.bins))

    def finish(self):
        self.model.step()
        self.pending = 0

    # ------------------------------------------------------------------ ordinary calls

    @rule(data=st.data())
    def record(self, data):
        ious, bins = self.draw(data)
        for one in (self.scheduler, self.shadow, self.model):
            one.record(ious, bins)
        self.pending += len(ious)

    @precondition(lambda self: self.pending)
    @rule()
    def step(self):
        returned = self.scheduler.step()
        self.shadow.step()
        self.finish()
        np.testing.assert_array_equal(returned, self.scheduler.distribution)

    @precondition(lambda self: not self.pending)
    @rule(data=st.data(), form=st.sampled_from(["bins", "arrays", "statistics"]))
    def step_in_one_go(self, data, form):
        ious, bins = self.draw(data)
        if form == "bins":
            self.scheduler.step(np.array(ious), np.array(bins))
        elif form == "arrays":
            self.scheduler.step([[x for x, b in zip(ious, bins) if b == i] for i in range(N_BINS)])
        else:
            statistics = SuccessStatistics(N_BINS)
            statistics.add(ious, bins)
            self.scheduler.step(statistics)
        self.shadow.record(ious, bins)
        self.shadow.step()
        self.model.record(ious, bins)
        self.finish()

    # ---------------------------------------------------------------- saving and loading

    @rule()
    def save_and_load_into_a_new_one(self):
        text = json.dumps(self.scheduler.state_dict(), allow_nan=False)
        self.scheduler = self.fresh()
        self.scheduler.load_state_dict(json.loads(text))

    @rule()
    def save_and_load_into_itself(self):
        state = json.loads(json.dumps(self.scheduler.state_dict()))
        self.scheduler.load_state_dict(state)

    @rule(data=st.data())
    def save_then_wander_then_load_back(self, data):
        """Events between a save and its load leave no trace."""
        text = json.dumps(self.scheduler.state_dict())
        for _ in range(data.draw(st.integers(1, 2))):
            self.scheduler.record(*self.draw(data))
            if data.draw(st.booleans()):
                self.scheduler.step()
        self.scheduler.load_state_dict(json.loads(text))

    @rule()
    def pickle_it(self):
        self.scheduler = pickle.loads(pickle.dumps(self.scheduler))

    # ------------------------------------------------------------- calls that must fail

    @rule(
        bad=st.sampled_from(
            [
                ([0.5, 1.5], [0, 0], "1.5"),
                ([0.5, -0.5], [0, 0], "GIoU"),
                ([0.5, float("nan")], [0, 0], "nan"),
                ([0.5, 0.5], [0, N_BINS], "bins"),
                ([0.5, 0.5], [0, -1], "bins"),
                ([0.5, 0.5], [0], "shape"),
            ]
        ),
        method=st.sampled_from(["record", "step"]),
    )
    def bad_samples(self, bad, method):
        ious, bins, word = bad
        with pytest.raises(ValueError, match=word):
            getattr(self.scheduler, method)(ious, bins)

    @precondition(lambda self: not self.pending)
    @rule()
    def step_with_nothing_recorded(self):
        with pytest.raises(ValueError, match="recorded"):
            self.scheduler.step()

    @rule()
    def load_a_state_of_another_configuration(self):
        options = dict(self.options, total_epochs=self.options["total_epochs"] + 1)
        other = SuccessAwareScheduler(N_BINS, **options)
        other.record([0.5], [self.bins[0]])
        other.step()
        with pytest.raises(ValueError, match="total_epochs"):
            self.scheduler.load_state_dict(other.state_dict())

    # ------------------------------------------------------------------------ invariants

    @invariant()
    def equals_the_shadow_to_the_last_bit(self):
        assert view(self.scheduler) == view(self.shadow)

    @invariant()
    def follows_the_model(self):
        assert self.scheduler.epoch == self.model.epoch == len(self.scheduler.history)
        np.testing.assert_allclose(
            self.scheduler.distribution, self.model.distribution, rtol=1e-11, atol=1e-300
        )
        np.testing.assert_allclose(self.scheduler.loss_weights, self.model.loss_weights, rtol=1e-11)

    @invariant()
    def is_a_distribution_over_feasible_bins(self):
        q = self.scheduler.distribution
        assert (q >= 0).all()
        assert abs(q.sum() - 1) < 1e-12
        outside = [i for i in range(N_BINS) if i not in self.bins]
        assert all(q[i] == 0 for i in outside)


class RichMachine(Machine):
    options = types.MappingProxyType(
        dict(
            total_epochs=3,
            order=3.0,
            threshold=0.3,
            random_distribution=[0.625, 0.25, 0.0, 0.125],
            feasible=[True, True, False, True],
            update_epochs=[0, 2, 3],
            max_weight=2.0,
            normalize=True,
        )
    )
    bins = (0, 1, 3)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=25)
TestRichMachine = RichMachine.TestCase
TestRichMachine.settings = settings(max_examples=60, stateful_step_count=25)
