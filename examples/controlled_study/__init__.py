"""Controlled study of interval scheduling: ``python -m examples.controlled_study``.

In a simulated world, in which a run takes a second, a small network recognises an identity whose
appearance drifts. settings.py has the worlds, rows.py the training schemes, world.py and
training.py a run, statistics.py the confidence intervals. The docs page "Does it help?" shows the
results.
"""
