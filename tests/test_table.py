"""The table of a schedule in a notebook shows the state, and only that."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from sstrack_sched import (
    BinnedSampler,
    IntervalBins,
    IntervalSampler,
    SuccessAwareScheduler,
    VideoIndex,
)
from sstrack_sched._table import schedule_table


class Page(HTMLParser):
    """Cells by row, the widths of the bars, the text before the table, the names of all tags."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.widths, self.heading, self.tags, self._open = [], [], "", set(), []
        self.feed(text)
        self.close()
        assert not self._open, "every tag is closed"

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag != "br":
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append("")
        width = dict(attrs).get("style", "").partition("width: ")[2]
        if width:
            self.widths.append(float(width[: -len("em")]))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self.rows:
            self.rows[-1][-1] += data
        else:
            self.heading += data


def stepped():
    scheduler = SuccessAwareScheduler(
        3, total_epochs=4, random_distribution=[0.7, 0.3, 0.0], feasible=[True, True, False]
    )
    scheduler.step([0.9, 0.8, 0.7, 0.1], [0, 0, 1, 1])
    return scheduler


def test_table_of_a_run_shows_its_state():
    scheduler = stepped()
    page = Page(scheduler._repr_html_())
    assert page.heading == "SuccessAwareSchedulerepoch 1 of 4, d = 0.500, tau = 0.625"
    assert page.rows[0] == ["bin", "Q", "", "success rate", "loss weight"]
    for i, row in enumerate(page.rows[1:]):
        success = "–" if i == 2 else f"{scheduler.success_rate[i]:.3f}"
        q, weight = scheduler.distribution[i], scheduler.loss_weights[i]
        assert row == [str(i), "", f"{q:.3f}", success, f"{weight:.3f}"]
    share = scheduler.distribution / scheduler.distribution.max()
    assert page.widths == pytest.approx([8 * each for each in share], abs=0.01)


def test_table_before_the_first_step_has_dashes():
    page = Page(SuccessAwareScheduler(2, total_epochs=3)._repr_html_())
    assert page.heading.endswith("epoch 0 of 3, d = 0.000, tau = –")
    assert page.rows[1:] == [[str(i), "", "0.500", "–", "1.000"] for i in range(2)]


def test_table_escapes_labels_and_title():
    text = schedule_table(stepped(), "a < b & c", ["<script>alert(1)</script>", "&lt;", '"'])
    page = Page(text)
    assert page.tags == {"div", "br", "table", "tr", "td"}
    assert [row[0] for row in page.rows[1:]] == ["<script>alert(1)</script>", "&lt;", '"']
    assert page.heading.startswith("a < b & c")


def test_table_needs_nothing_from_elsewhere_and_no_colour_of_its_own():
    text = stepped()._repr_html_()
    for foreign in ("http", "src=", "href", "<style", "class=", "#", "rgb"):
        assert foreign not in text


def test_table_of_a_curriculum_adds_labels_and_progress():
    torch_adapters = pytest.importorskip("sstrack_sched.torch")
    source = IntervalSampler(VideoIndex([300]), IntervalBins(200, 100))
    curriculum = torch_adapters.Curriculum(source, 3, samples_per_epoch=4)
    for pair in curriculum.sampler:
        page = Page(curriculum._repr_html_())
        assert page.heading.startswith(f"Curriculum: {pair.number} of 4 samples recorded, record")
        curriculum.record([0.5], [pair.bin])
    page = Page(curriculum._repr_html_())
    assert page.heading.startswith(
        "Curriculum: 4 of 4 samples recorded, step() is nextepoch 0 of 3"
    )
    assert [row[0] for row in page.rows[1:]] == source.bins.labels


def test_table_of_a_curriculum_without_labels_numbers_the_bins():
    torch_adapters = pytest.importorskip("sstrack_sched.torch")
    curriculum = torch_adapters.Curriculum(BinnedSampler([0, 1, 1]), 3, samples_per_epoch=4)
    assert [row[0] for row in Page(curriculum._repr_html_()).rows[1:]] == ["0", "1"]
