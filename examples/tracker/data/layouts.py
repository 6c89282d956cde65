"""Layouts of the benchmarks' files, in one table, and the reader of a video by it.

Boxes come out 0-based: the pixel in the corner covers (0, 0) to (1, 1). A frame counts as without
the target where its box is missing, nan or empty, or less than half in the image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, NamedTuple, Tuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from .frames import decode_video, picture_files
from .sequences import MIN_INSIDE, Sequence, inside_share

Boxes = NDArray[np.float64]
NO_BOX = [float("nan")] * 4
VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm")
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
    f"{name}_{part}": int(start)
    for name, *starts in map(str.split, UAV_PARTS.split(","))
    for part, start in enumerate(starts, start=1)
}


def read_boxes(path: Path, _n_frames: int = 0) -> Boxes:
    """Boxes of a text file, one per line: four numbers, a polygon's eight, or nan for none."""
    return _parsed(path, _box, "4 numbers (x, y, w, h) or a polygon's 8")


def _read_regions(path: Path, _n_frames: int) -> Boxes:
    return _parsed(path, _region, "a rectangle, polygon, mask or code")


def _read_vatic(path: Path, n_frames: int) -> Boxes:
    """NFS: track, left, top, right, bottom, frame (from 0 or 1), lost, occluded and more."""
    rows = _parsed(path, lambda words: [float(word) for word in words[1:7]], "10 columns", 6)
    frame = rows[:, 4].astype(int) - min(1, int(rows[0, 4]))
    if frame.max() >= 4 * n_frames:  # the file of 240 fps, for the images of 30
        rows, frame = rows[frame % 8 == 0], frame[frame % 8 == 0] // 8
    if frame.max() > n_frames:  # one more is usual
        raise ValueError(f"{path}: {frame.max() + 1} boxes for {n_frames} images")
    boxes = np.full((n_frames + 1, 4), np.nan)
    boxes[frame] = np.where(rows[:, 5:] == 0, rows[:, :4], np.nan)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes[:n_frames]


def _read_flags(path: Path, n_frames: int) -> NDArray[np.bool_]:
    words = [word for line in _lines(path) for word in line]
    if len(words) != n_frames or set(words) - {"0", "1"}:
        found = f"{len(words)}: {sorted(set(words))[:4]}"
        raise ValueError(f"{path}: expected {n_frames} flags 0 or 1; got {found}")
    return np.array(words) == "1"


def _box(words: List[str]) -> List[float]:
    values = [float(word) for word in words]
    if len(values) == 8:
        x, y = values[::2], values[1::2]
        return [min(x), min(y), max(x) - min(x), max(y) - min(y)]
    return NO_BOX if len(values) == 1 and np.isnan(values[0]) else values


def _region(words: List[str]) -> List[float]:
    """Besides boxes, VOT has masks, which start with their box, and codes for none."""
    if words[0].startswith("m"):
        return _box([words[0][1:], *words[1:4]])
    return NO_BOX if len(words) == 1 else _box(words)


def _parsed(
    path: Path, parse: Callable[[List[str]], List[float]], wanted: str, n_columns: int = 4
) -> Boxes:
    rows: List[List[float]] = []
    for number, words in enumerate(_lines(path), start=1):
        if not words:  # an empty line
            continue
        try:
            rows.append(parse(words))
        except ValueError:
            rows.append([])
        if len(rows[-1]) != n_columns:
            line = " ".join(words)[:80]
            raise ValueError(f"{path}, line {number}: expected {wanted}; got {line!r}")
    if not rows:
        raise ValueError(f"{path}: no box in it")
    return np.array(rows)


def _lines(path: Path) -> List[List[str]]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [[word for word in re.split(r"[,;\s]+", line) if word] for line in lines]


class Video(NamedTuple):
    layout: Layout
    name: str
    boxes: Path
    images: Path  # a folder, or a video file


@dataclass(frozen=True)
class Layout:
    """Layout of one benchmark's files.

    ``boxes`` and ``images`` are paths from the folder of a video, or of the benchmark where ``*``
    in both stands for the video's name. ``{}`` stands for the folder's own name.
    """

    name: str
    boxes: str
    images: str
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
        boxes, images = (text.replace("{}", folder.name) for text in (self.boxes, self.images))
        places = [folder / images.partition("*")[0]]
        if images == "video":
            places = [folder / f"video{suffix}" for suffix in VIDEOS]
        place = next((place for place in places if place.exists()), None)
        if place is None:
            return []
        if "*" not in boxes:
            return [Video(self, folder.name, folder / boxes, place)] * (folder / boxes).is_file()
        head, _, tail = boxes.rpartition("/")[2].partition("*")
        videos = []
        for path in sorted(folder.glob(boxes)):
            name = path.name[len(head) : -len(tail)]
            if path.name[0] == "." or ("*" not in images and path.stat().st_size < 4):
                continue  # a system's leftover; of Human4 in OTB, the first file is empty
            whole = name if "*" in images else folder.name + name.replace(".", "-")
            videos.append(Video(self, whole, path, folder / images.replace("*", name)))
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
    Layout("vot", "groundtruth.txt", "color", missing="rest", read=_read_regions),
    # got-10k/toolkit: got10k.py; older VOT is alike. Its authors once called the boxes 1-based, but
    # those at the border start at 0. A video of the test set has one box.
    Layout("got10k", "groundtruth.txt", ".", absent=LABEL, missing="one"),
    # got-10k/toolkit: nfs.py; columns of cvondrick/vatic. Of both rates, papers report 30 fps.
    Layout("nfs30", "30/{}.txt", "30/{}", read=_read_vatic),
    Layout("nfs240", "240/{}.txt", "240/{}", read=_read_vatic),
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


def read_video(video: Video, cache: Path) -> Sequence:
    """Read one video; raises ValueError with the file's name where something is wrong with it."""
    layout, (place, start) = video.layout, _place(video)
    if not place.exists():
        raise ValueError(f"{video.boxes}: no images for it, {place} is not there")
    paths = decode_video(place, cache) if place.is_file() else picture_files(place)
    boxes = layout.read(video.boxes, len(paths)) - layout.base * ONE_BASED
    if layout.spare and len(paths) > len(boxes):
        start -= _number(paths[0]) == 0  # renumbered from 0
        paths = [path for path in paths if _number(path) >= start][: len(boxes)]
    lacking = len(paths) - len(boxes)
    if lacking > 0 and (layout.missing == "rest" or (layout.missing == "one" and len(boxes) == 1)):
        boxes = np.vstack([boxes, np.full((lacking, 4), np.nan)])
    if len(paths) != len(boxes):
        raise ValueError(f"{video.boxes}: {len(boxes)} boxes for {len(paths)} images in {place}")
    try:
        with Image.open(paths[0]) as image:  # reads the header only
            present = inside_share(boxes, *image.size) >= MIN_INSIDE
    except UnidentifiedImageError:
        raise ValueError(f"{paths[0]}, the first of its video, is no image") from None
    for file in layout.absent:
        if (video.boxes.parent / file).is_file():
            present &= ~_read_flags(video.boxes.parent / file, len(boxes))
    omitted = OTB_OMITTED.get(video.name, 0) if layout.name == "otb" else 0
    kept = (tuple(paths[omitted:]), boxes[omitted:], present[omitted:])
    return Sequence(video.name, *kept, layout=layout.name)


def _place(video: Video) -> Tuple[Path, int]:
    """Folder of the images, and the number of the first that is annotated."""
    if video.layout.name == "otb":
        return video.images, OTB_STARTS.get(video.name, 1)
    if video.images.exists() or video.name not in UAV_STARTS:
        return video.images, 1
    start = UAV_STARTS[video.name]
    whole = video.images.with_name(video.name.rpartition("_")[0])
    return whole, (start - 1) // 3 + 1 if video.layout.name == "uav123_10fps" else start


def _number(path: str) -> int:
    """Last number in a file's name; 0 without one."""
    return int((["0"] + re.findall(r"\d+", Path(path).stem))[-1])
