"""Does success-aware interval scheduling help, and when? ``python -m examples.controlled_study``.

A made-up world in which a run takes a second: a small network must recognise an identity whose
appearance drifts. settings.py says what is varied, rows.py what is compared, world.py and
training.py what a run is, statistics.py what an interval means. The docs page "Does it help?" shows
the results.
"""
