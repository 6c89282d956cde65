import random

import torch
from lib.utils import TensorDict


class TrackingSampler(torch.utils.data.Dataset):
    """One template and one search frame, drawn in here. Trap: the index is ignored."""

    def __init__(self, datasets, p_datasets, samples_per_epoch, max_gap, processing):
        self.datasets = datasets
        self.p_datasets = [p / sum(p_datasets) for p in p_datasets]
        self.samples_per_epoch = samples_per_epoch
        self.max_gap = max_gap
        self.processing = processing

    def __len__(self):
        return self.samples_per_epoch

    def __getitem__(self, _index):
        valid = False
        while not valid:
            dataset = random.choices(self.datasets, self.p_datasets)[0]
            video, info = self._video(dataset)
            template, search = 1, 1
            if dataset.is_video_sequence():
                template, search = self._frames(info["visible"])
            try:
                images, boxes, meta = dataset.get_frames(video, [template], info)
                images2, boxes2, _ = dataset.get_frames(video, [search], info)
                empty = [torch.zeros(images[0].shape[:2])]
                data = TensorDict(
                    template_images=images,
                    template_anno=boxes["bbox"],
                    template_masks=boxes.get("mask", empty),
                    search_images=images2,
                    search_anno=boxes2["bbox"],
                    search_masks=boxes2.get("mask", empty),
                    dataset=dataset.get_name(),
                    test_class=meta["object_class_name"],
                )
                data = self.processing(data)
                valid = data["valid"]
            except:  # noqa: E722 (Trap: retries for ever, another pair each time)
                valid = False
        return data

    def _video(self, dataset):
        while True:
            video = random.randint(0, dataset.get_num_sequences() - 1)
            info = dataset.get_sequence_info(video)
            visible = info["visible"]
            enough = visible.long().sum() > 2 * (1 + 1) and len(visible) >= 20
            if enough or not dataset.is_video_sequence():
                return video, info

    def _frames(self, visible):
        """Trap: the interval is 1 to max_gap - 1, and grows by 5 where there is no frame."""
        gap = self.max_gap
        while True:
            template = random.choice(self._visible(visible, 0, len(visible) - 1))
            later = self._visible(visible, template + 1, template + gap)
            if later:
                return template, random.choice(later)
            gap += 5

    @staticmethod
    def _visible(visible, start, stop):
        return [i for i in range(start, min(stop, len(visible))) if visible[i]]
