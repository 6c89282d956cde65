import json
import pathlib

import cv2
import numpy as np
import torch


def opencv_loader(path):
    """Trap: prints an error, and returns None."""
    try:
        return cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
    except Exception:  # noqa: BLE001 (Trap: whatever is wrong)
        print(f"ERROR: Could not read image {path}")
        return None


class Base(torch.utils.data.Dataset):
    def __init__(self, name, root, image_loader):
        self.name, self.root, self.image_loader = name, root, image_loader

    def get_name(self):
        return self.name

    def is_video_sequence(self):
        return True

    def get_num_sequences(self):
        return len(self.sequence_list)

    def __len__(self):
        return self.get_num_sequences()


class Videos(Base):
    """The layout of LaSOT."""

    def __init__(self, name, root, image_loader):
        super().__init__(name, root, image_loader)
        self.sequence_list = sorted(path.name for path in pathlib.Path(root).glob("*/*-*"))

    def _get_sequence_path(self, i):
        name = self.sequence_list[i]
        return f"{self.root}/{name.split('-')[0]}/{name}"

    def get_sequence_info(self, i):
        folder = pathlib.Path(self._get_sequence_path(i))
        table = np.loadtxt(folder / "groundtruth.txt", dtype=np.float32, delimiter=",", ndmin=2)
        bbox = torch.tensor(table)
        valid = (bbox[:, 2] > 0) & (bbox[:, 3] > 0)
        visible = valid.byte()
        for name in ("full_occlusion.txt", "out_of_view.txt"):
            first = (folder / name).read_text().splitlines()[0]
            flags = [int(flag) for flag in first.split(",")]
            visible = visible & ~torch.ByteTensor(flags)
        return {"bbox": bbox, "valid": valid, "visible": visible}

    def get_frames(self, i, frames, info):
        folder = self._get_sequence_path(i)
        images = [self.image_loader(f"{folder}/img/{frame + 1:08d}.png") for frame in frames]
        boxes = {key: [value[frame].clone() for frame in frames] for key, value in info.items()}
        return images, boxes, {"object_class_name": self.sequence_list[i].split("-")[0]}


class Images(Base):
    """The layout of COCO, but for its JSON. Trap: an image has one frame, and is asked for 1."""

    def __init__(self, name, root, image_loader):
        super().__init__(name, root, image_loader)
        path = pathlib.Path(root, "annotations", "instances_train2017.json")
        self.boxes = json.loads(path.read_text())
        self.sequence_list = list(range(len(self.boxes)))

    def is_video_sequence(self):
        return False

    def get_sequence_info(self, i):
        bbox = torch.tensor([self.boxes[i]])
        valid = (bbox[:, 2] > 1) & (bbox[:, 3] > 1)
        mask = torch.full((1, 24, 24), float(i))
        return {"bbox": bbox, "mask": mask, "valid": valid, "visible": valid.byte()}

    def get_frames(self, i, frames, info):
        image = self.image_loader(f"{self.root}/images/train2017/{i:012d}.png")
        boxes = {key: [value[0] for _ in frames] for key, value in info.items()}
        return [image.copy() for _ in frames], boxes, {"object_class_name": None}


def names2datasets(names, settings):
    kinds = {
        "LASOT": (Videos, "lasot", "lasot"),
        "GOT10K_votval": (Videos, "got10k", "got10k"),
        "COCO17": (Images, "coco", "coco"),
    }
    suffix = "_lmdb_dir" if settings.use_lmdb else "_dir"
    return [
        make(name, getattr(settings.env, option + suffix), opencv_loader)
        for make, name, option in (kinds[name] for name in names)
    ]
