"""Make common mistakes and write their error messages to mistakes.md: python docs/mistakes.py."""

from __future__ import annotations

import inspect
import sys
import textwrap
import warnings
from pathlib import Path

import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sstrack_sched import IntervalBins, IntervalSampler, SuccessAwareScheduler, VideoIndex
from sstrack_sched.torch import Curriculum

PAGE = Path(__file__).with_name("mistakes.md")
START, END = "<!-- mistakes -->\n", "<!-- end of mistakes -->"


class PairDataset(Dataset):
    def __getitem__(self, pair):
        return torch.tensor(pair.bin)


def new_curriculum(lengths=(300, 450), samples=64, **options):
    source = IntervalSampler(VideoIndex(lengths), IntervalBins(200, 50))
    return Curriculum(source, total_epochs=3, samples_per_epoch=samples, **options)


def record_epoch(curriculum, ious=None):
    for bins in DataLoader(PairDataset(), batch_size=16, sampler=curriculum.sampler):
        curriculum.record(torch.rand(len(bins)) if ious is None else ious, bins)


def a_giou_recorded_instead_of_an_iou():
    curriculum = new_curriculum()
    record_epoch(curriculum, ious=torch.linspace(-1, 1, 16))
    curriculum.step()


def bins_as_floats():
    curriculum = new_curriculum()
    curriculum.record(torch.rand(2), torch.tensor([0.0, 1.0]))


def intervals_recorded_instead_of_bins():
    curriculum = new_curriculum()
    curriculum.record(torch.rand(2), torch.tensor([12, 180]))


def a_reduced_iou():
    curriculum = new_curriculum()
    curriculum.record(torch.rand(16).mean(), torch.zeros(16, dtype=torch.long))


def a_reduced_loss():
    curriculum = new_curriculum()
    curriculum.weigh(torch.rand(16).mean(), torch.zeros(16, dtype=torch.long))


def a_forgotten_step():
    curriculum = new_curriculum()
    record_epoch(curriculum)
    record_epoch(curriculum)


def a_forgotten_record():
    curriculum = new_curriculum()
    for _ in DataLoader(PairDataset(), batch_size=16, sampler=curriculum.sampler):
        pass
    curriculum.step()


def a_batch_recorded_twice():
    curriculum = new_curriculum()
    record_epoch(curriculum)
    curriculum.record(torch.rand(16), torch.zeros(16, dtype=torch.long))
    curriculum.step()


def shuffle_in_addition_to_the_sampler():
    DataLoader(PairDataset(), sampler=new_curriculum().sampler, shuffle=True)


def a_batch_sampler_that_drops_batches():
    curriculum = new_curriculum(samples=96)
    batches = list(BatchSampler(curriculum.sampler, 16, drop_last=False))[::2]
    for batch in batches:
        curriculum.record(torch.rand(16), torch.tensor([pair.bin for pair in batch]))
    curriculum.step()


def a_sampler_kept_from_another_run():
    old, curriculum = new_curriculum(), new_curriculum()
    for bins in DataLoader(PairDataset(), batch_size=16, sampler=old.sampler):
        curriculum.record(torch.rand(16), bins)
    curriculum.step()


def videos_changed_at_resume():
    state = new_curriculum().state_dict()
    new_curriculum(lengths=(300, 450, 600)).load_state_dict(state)


def other_settings_at_resume():
    state = new_curriculum().state_dict()
    new_curriculum(order=1.0).load_state_dict(state)


def bins_that_no_video_can_fill():
    source = IntervalSampler(VideoIndex([40, 45]), IntervalBins(200, 50))
    source.sample([0.25] * 4, epoch=0, start=0, stop=8)


def images_without_an_image_bin():
    videos = VideoIndex([300, 1], is_image=[False, True])
    IntervalSampler(videos, IntervalBins(200, 50))


def one_mean_iou_per_bin_for_the_scheduler():
    SuccessAwareScheduler(4, total_epochs=3).step([0.7, 0.6, 0.5, 0.4])


MISTAKES = [
    value
    for name, value in list(globals().items())
    if inspect.isfunction(value) and name not in ("new_curriculum", "record_epoch")
]


def message_of(mistake):
    """Make the mistake and return the message of the error or warning."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            mistake()
        except Exception as error:  # noqa: BLE001 (the page shows any error)
            return f"{type(error).__name__}: {error}"
    raise AssertionError(f"{mistake.__name__} raised no error or warning")


def section(mistake):
    title = mistake.__name__.replace("_", " ").capitalize()
    title = title.replace(" giou", " GIoU").replace(" iou", " IoU")
    code = textwrap.dedent(inspect.getsource(mistake).split("\n", 1)[1]).rstrip()
    message = "\n".join(textwrap.wrap(message_of(mistake), 100))
    return f"## {title}\n\n```python\n{code}\n```\n\n```text\n{message}\n```\n"


def with_sections(text):
    before, rest = text.split(START)
    sections = "\n".join(map(section, MISTAKES))
    return f"{before}{START}\n{sections}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(with_sections(PAGE.read_text("utf-8")), encoding="utf-8")
