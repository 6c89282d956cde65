"""Layouts of the benchmarks' files, in one table, and the reader of a video by it.

Boxes come out 0-based: the pixel in the corner covers (0, 0) to (1, 1). A frame counts as without
the target where its box is missing, nan or empty, or less than half in the image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, NamedTuple, Optional, Tuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from .boxes import Boxes, inside_share, read_boxes, read_flags, read_regions, read_vatic
from .frames import decode_video, find_video, number_of, picture_files
from .sequences import MIN_INSIDE, Sequence

ONE_BASED = np.array([1.0, 1.0, 0.0, 0.0])  # what Matlab's coordinates are ahead
EXTENSION = (
    "(atv|badminton|cosplay|dancingshoe|footbag|frisbee|jianzi|lantern|misc|opossum|paddle|raccoon"
    "|rhino|skatingshoe|wingsuit)-.*"
)
# Number of the first annotated image, and annotated frames that OTB itself leaves out.
OTB_STARTS = {"David": 300, "BlurCar1": 247, "BlurCar3": 3, "BlurCar4": 18}
OTB_OMITTED = {"Tiger1": 5}
# Number of each part's first image in UAV123's longer videos; at 10 fps every third is left.
UAV_PARTS = (
    "bird1 1 775 1573, car1 1 751 1627, car6 1 487 1807 2953 3925, car8 1 1357, car16 1 415, "
    "group1 1 1333 2515 3925, group2 1 907 1771, group3 1 1567 2827 4369, person2 1 1189, "
    "person4 1 1501, person5 1 877, person7 1 1249, person8 1 1075, person12 1 601, "
    "person14 1 847 1813, person17 1 1501, person19 1 1243 2791, truck4 1 577, uav1 1 1555 2473"
)
UAV_STARTS = {
    f"{words[0]}_{i}": int(words[i])
    for words in map(str.split, UAV_PARTS.split(","))
    for i in range(1, len(words))
}


class Video(NamedTuple):
    name: str
    boxes: Path
    pictures: Path  # a folder, or a video file


@dataclass(frozen=True)
class Layout:
    """Layout of one benchmark's files.

    ``boxes`` and ``pictures`` are paths from the folder of a video, or of the benchmark where ``*``
    in both stands for the video's name. ``{}`` stands for the folder's own name.
    """

    name: str
    boxes: str
    pictures: str
    base: int = 0  # of left and top
    absent: Tuple[str, ...] = ()  # files that mark more frames without the target
    folders: str = ".*"  # names that the folder may have
    missing: str = "none"  # boxes: "none"; "rest": the last may be; "one": there may be only one
    spare: bool = False  # whether there may be more images than boxes
    read: Callable[[Path, int], Boxes] = read_boxes

    def find(self, folder: Path) -> List[Video]:
        """Videos that the folder is or holds, if it has this layout."""
        if not re.fullmatch(self.folders, folder.name):
            return []
        boxes, pictures = (s.replace("{}", folder.name) for s in (self.boxes, self.pictures))
        place = find_video(folder) if pictures == "video" else folder / pictures.partition("*")[0]
        if place is None or not place.exists():
            return []
        if "*" not in boxes:
            return [Video(folder.name, folder / boxes, place)] * (folder / boxes).is_file()
        head, _, tail = boxes.rpartition("/")[2].partition("*")
        videos = []
        for path in sorted(folder.glob(boxes)):
            name = path.name[len(head) : -len(tail)]
            if path.name[0] == "." or ("*" not in pictures and path.stat().st_size < 4):
                continue  # a system's leftover; of Human4 in OTB, the first file is empty
            whole = name if "*" in pictures else folder.name + name.replace(".", "-")
            videos.append(Video(whole, path, folder / pictures.replace("*", name)))
        return videos


LABEL, LASOT = ("absence.label",), ("full_occlusion.txt", "out_of_view.txt")
LAYOUTS = (
    # A video file of this project's; boxes that were made tight first, empty where not reliable.
    Layout("clip", "groundtruth_tight.txt", "video", absent=LABEL),
    Layout("clip", "groundtruth.txt", "video", absent=LABEL),
    # HengLan/LaSOT_Evaluation_Toolkit, issue 14: LaSOT starts at 1, its extension at 0. pytracking
    # and pysot-toolkit (monkey-17) allow images without a box.
    Layout("lasot_extension", "groundtruth.txt", "img", absent=LASOT, folders=EXTENSION),
    Layout("lasot", "groundtruth.txt", "img", base=1, absent=LASOT, spare=True),
    # votchallenge/toolkit: vot/dataset/common.py, vot/region/io.py.
    Layout("vot", "groundtruth.txt", "color", missing="rest", read=read_regions),
    # got-10k/toolkit: got10k.py; older VOT is alike. Its authors once called the boxes 1-based, but
    # those at the border start at 0. A video of the test set has one box.
    Layout("got10k", "groundtruth.txt", ".", absent=LABEL, missing="one"),
    # got-10k/toolkit: nfs.py; columns of cvondrick/vatic. Of both rates, papers report 30 fps.
    Layout("nfs30", "30/{}.txt", "30/{}", read=read_vatic),
    Layout("nfs240", "240/{}.txt", "240/{}", read=read_vatic),
    # visionml/pytracking: nfsdataset.py, its own copy of NFS with left, top, width, height.
    Layout("nfs30", "anno/nfs_*.txt", "sequences/*"),
    # votchallenge/toolkit: otb.py; pytracking (Tiger1). DTB70 is alike: got-10k/toolkit, dtb70.py.
    Layout("otb", "groundtruth_rect*.txt", "img", base=1, spare=True),
    # SilvioGiancola/TrackingNet-devkit; got-10k/toolkit: trackingnet.py. One box in TEST.
    Layout("trackingnet", "anno/*.txt", "frames/*", missing="one"),
    # Its configSeqs.m, also in got-10k/toolkit: uav123.json.
    Layout("uav123", "anno/UAV123/*.txt", "data_seq/UAV123/*", base=1, spare=True),
    Layout("uav123_10fps", "anno/UAV123_10fps/*.txt", "data_seq/UAV123_10fps/*", 1, spare=True),
    # Forks of OSTrack: uavtrack112dataset.py, uavtrack112_ldataset.py. Both use the same images.
    Layout("uavtrack112", "anno/*.txt", "data_seq/*", base=1, spare=True),
    Layout("uavtrack112l", "anno_l/*.txt", "data_seq/*", base=1, spare=True),
    Layout("uavtrack112l", "*.txt", "../data_seq/*", base=1, folders="anno_l", spare=True),
    # uavdtdataset.py in forks of OSTrack; UAV_Benchmark_S.py of trackit subtracts 1.
    Layout("uavdt", "UAV-benchmark-SOT_v1.0/anno/*_gt.txt", "UAV-benchmark-S/*", base=1),
    Layout("uavdt", "UAV-benchmark-SOT_v1.0/anno/*_gt.txt", "*", base=1),
    Layout("uavdt", "anno/*_gt.txt", "*", base=1),
)


def find_videos(folder: Path, names: str = ".*") -> Tuple[Optional[Layout], List[Video]]:
    """The layout that a folder has, of those whose names match, and its videos."""
    for layout in LAYOUTS:
        videos = layout.find(folder) if re.fullmatch(names, layout.name) else []
        if videos:
            return layout, videos
    return None, []


def read_video(layout: Layout, video: Video, cache: Path) -> Sequence:
    """Read one video; raises ValueError with the file's name where something is wrong with it."""
    place, start = _place(layout, video)
    if not place.exists():
        raise ValueError(f"{video.boxes}: no images for it, {place} is not there")
    paths = decode_video(place, cache) if place.is_file() else picture_files(place)
    boxes = layout.read(video.boxes, len(paths)) - layout.base * ONE_BASED
    if layout.spare and len(paths) > len(boxes):
        start -= number_of(paths[0]) == 0  # renumbered from 0
        paths = [path for path in paths if number_of(path) >= start][: len(boxes)]
    lacking = len(paths) - len(boxes)
    if lacking > 0 and (layout.missing == "rest" or (layout.missing == "one" and len(boxes) == 1)):
        boxes = np.vstack([boxes, np.full((lacking, 4), np.nan)])
    if len(paths) != len(boxes):
        raise ValueError(f"{video.boxes}: {len(boxes)} boxes for {len(paths)} images in {place}")
    present = np.ones(len(boxes), dtype=bool)
    for file in layout.absent:
        present &= ~read_flags(video.boxes.parent / file, len(boxes))
    width, height = _size(paths[0])
    present &= inside_share(boxes, width, height) >= MIN_INSIDE
    omitted = OTB_OMITTED.get(video.name, 0) if layout.name == "otb" else 0
    kept = (tuple(paths[omitted:]), boxes[omitted:], present[omitted:])
    return Sequence(video.name, *kept, layout=layout.name)


def _place(layout: Layout, video: Video) -> Tuple[Path, int]:
    if layout.name == "otb":
        return video.pictures, OTB_STARTS.get(video.name, 1)
    if video.pictures.exists() or video.name not in UAV_STARTS:
        return video.pictures, 1
    start = UAV_STARTS[video.name]
    whole = video.pictures.with_name(video.name.rpartition("_")[0])
    return whole, (start - 1) // 3 + 1 if layout.name == "uav123_10fps" else start


def _size(path: str) -> Tuple[int, int]:
    try:
        with Image.open(path) as picture:  # reads the header only
            return picture.size
    except UnidentifiedImageError:
        raise ValueError(f"{path}, the first of its video, is no image") from None
