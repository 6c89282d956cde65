"""One file holds the index: whole whoever writes it, refused by name where it is damaged."""

import json
import multiprocessing
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest

from sstrack_sched import BinnedSampler, IntervalBins, IntervalSampler, VideoIndex

BINS = IntervalBins(12, 4)
Q = [0.5, 0.25, 0.25]


def make(seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(15, 40, 9)
    return VideoIndex(lengths, rng.random(lengths.sum()) < 0.8, weight=rng.random(9) + 0.5)


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def parse(path):
    """Header, metadata and arrays of a file in the safetensors layout, by itself."""
    raw = path.read_bytes()
    n = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + n])
    meta = header.pop("__metadata__")
    codes = {"BOOL": "?", "I64": "<i8", "F64": "<f8", "U64": "<u8", "U32": "<u4"}
    arrays = {
        name: np.frombuffer(
            raw[8 + n + entry["data_offsets"][0] : 8 + n + entry["data_offsets"][1]],
            codes[entry["dtype"]],
        ).reshape(entry["shape"])
        for name, entry in header.items()
    }
    return header, meta, arrays


def edit(path, change):
    """Rewrite the file with a changed header."""
    raw = path.read_bytes()
    n = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + n])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + n :])


@pytest.fixture
def path(tmp_path):
    make().save(tmp_path / "index")
    return tmp_path / "index"


def test_layout_is_that_of_safetensors(path):
    _, meta, arrays = parse(path)
    assert arrays["lengths"].tolist() == make().lengths.tolist()
    assert arrays["weight"].tolist() == make().weight.tolist()
    assert meta["fingerprint"] == make().fingerprint
    assert all(isinstance(value, str) for value in meta.values())
    assert {f"checksum {name}" for name in arrays} <= set(meta)
    n = int.from_bytes(path.read_bytes()[:8], "little")
    assert (8 + n) % 64 == 0  # so that every mapped array is aligned


def test_content_has_the_fingerprint_that_it_always_had():
    """States and tables of saved runs know their data by it."""
    videos = VideoIndex([2, 1], [[1, 0], [1]], [False, True], [1, 0.5])
    assert videos.fingerprint == "30e472fcfc695e99ed6aee267d382fe8"
    items = BinnedSampler([0, 1, 1], weight=[1, 2, 0])
    assert items.identity["data"] == "4ba05065fa54d5110aee7d5dbc4e3745"


@pytest.mark.parametrize("mmap", [True, False])
def test_arrays_are_views_of_the_file_where_it_is_mapped(path, mmap):
    owner = VideoIndex.load(path, mmap=mmap).lengths
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    assert isinstance(owner, np.memmap) == mmap


def test_arrays_of_a_file_are_aligned(path):
    videos = VideoIndex.load(path)  # its nine booleans would shift what follows them
    assert all(array.flags.aligned for array in videos._arrays.values())


def test_layout_is_read_by_safetensors(path):
    numpy = pytest.importorskip("safetensors.numpy")
    assert numpy.load_file(path)["lengths"].tolist() == make().lengths.tolist()


@pytest.mark.parametrize("mmap", [True, False])
def test_truncated_file_of_any_length_is_refused_by_name(path, mmap):
    raw = path.read_bytes()
    for size in [*range(40), *range(40, len(raw), 37), len(raw) - 1]:
        path.write_bytes(raw[:size])
        with pytest.raises(ValueError, match=str(path)):
            VideoIndex.load(path, mmap=mmap)
    path.write_bytes(raw + b"\0")
    with pytest.raises(ValueError, match=str(path)):
        VideoIndex.load(path, mmap=mmap)


def test_flipped_bit_anywhere_is_refused_or_changes_nothing(path):
    raw = path.read_bytes()
    rng = np.random.default_rng(1)
    for position in rng.permutation(8 * len(raw))[:1500].tolist():
        damaged = bytearray(raw)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            loaded = VideoIndex.load(path, mmap=False, verify=True)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017 (both outcomes are right)
        else:
            assert loaded.lengths.tolist() == make().lengths.tolist()
            assert loaded.visible.tolist() == make().visible.tolist()


def entry(**values):
    return lambda header: header["lengths"].update(values)


@pytest.mark.parametrize(
    "change",
    [
        entry(shape=[-1]),
        entry(shape=[10**30]),
        entry(shape=[[9]]),
        entry(shape=9),
        entry(shape=[3, 3]),
        entry(shape=[9.0]),
        entry(shape={}, data_offsets=[0, 8]),
        entry(dtype="F16"),
        entry(dtype=["I64"]),
        entry(dtype="U64"),
        entry(data_offsets=[0]),
        entry(data_offsets=[0, 10**20]),
        entry(data_offsets=[8, 80]),
        entry(extra=1),
        lambda header: header["weight"].update(data_offsets=[64, 136]),  # overlaps lengths
        lambda header: header.update(lengths=header["weight"], weight=header["lengths"]),
        lambda header: header.pop("lengths"),
        lambda header: header.pop("is_image"),
        lambda header: header.pop("visible_ranks"),
        lambda header: header.pop("__metadata__"),
        lambda header: header.update(lengths=None),
        lambda header: header["__metadata__"].pop("fingerprint"),
        lambda header: header["__metadata__"].update(format_version="99"),
        lambda header: header["__metadata__"].update(kind="eligibility tables"),
    ],
)
def test_edited_header_is_refused_by_name(path, change):
    edit(path, change)
    with pytest.raises(ValueError, match=str(path)):
        VideoIndex.load(path)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[" * 5000,
        b"\x08" + bytes(7) + b"[[[[[[[[",
        b"\xff" * 64,
        b"\x02" + bytes(7) + b"[]",
    ],
)
def test_foreign_file_is_refused_by_name(path, raw):
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=str(path)):
        VideoIndex.load(path)


def test_folder_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path)):
        VideoIndex.load(tmp_path)


def test_newer_format_is_named(path):
    edit(path, lambda header: header["__metadata__"].update(format_version="99"))
    with pytest.raises(ValueError, match="format must be version 3; got '99'"):
        VideoIndex.load(path)


def test_fingerprint_that_was_edited_is_found_by_verify(path):
    edit(path, lambda header: header["__metadata__"].update(fingerprint="0" * 32))
    VideoIndex.load(path)
    with pytest.raises(ValueError, match="fingerprint"):
        VideoIndex.load(path, verify=True)


def write_often(path, seeds):
    for _ in range(150):
        for seed in seeds:
            make(seed).save(path)


def test_writers_of_different_content_and_a_reader_never_meet_half_a_file(tmp_path):
    path = tmp_path / "index"
    make(1).save(path)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_often, args=(path, [1, 2])) for _ in range(2)]
    known = {make(1).fingerprint, make(2).fingerprint}
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert VideoIndex.load(path, verify=True).fingerprint in known
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert names_in(tmp_path) == ["index"]


def test_threads_that_save_the_same_do_not_disturb_each_other(tmp_path):
    path, failures = tmp_path / "index", []

    def work():
        try:
            for _ in range(100):
                make().save(path)
                VideoIndex.load(path)
        except Exception as error:  # noqa: BLE001 (a thread's error is seen by nobody else)
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert names_in(tmp_path) == ["index"]


@pytest.mark.parametrize("error", [PermissionError, KeyboardInterrupt])
def test_failed_write_keeps_the_old_file_and_leaves_no_draft(path, monkeypatch, error):
    def refuse(*_):
        raise error("read-only")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(error, match="read-only"):
        make(1).save(path)
    assert VideoIndex.load(path, verify=True).fingerprint == make().fingerprint
    assert names_in(path.parent) == ["index"]


def test_full_disk_raises_keeps_the_old_file_and_leaves_no_draft(path):
    resource = pytest.importorskip("resource")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limit[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            make(1).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert VideoIndex.load(path, verify=True).fingerprint == make().fingerprint
    assert names_in(path.parent) == ["index"]


def test_file_that_cannot_be_made_raises_the_reason(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError, match="read-only"):
        make().save(tmp_path / "index")


def test_file_has_the_permissions_of_any_other(path):
    (path.parent / "plain").write_text("")
    assert path.stat().st_mode == (path.parent / "plain").stat().st_mode


def tables_of(path):
    (found,) = path.parent.glob("index.*.tables")
    return found


def test_damaged_tables_are_computed_anew(path):
    sampler = IntervalSampler(VideoIndex.load(path), BINS)
    expected = list(sampler.sample(Q, 0, 0, 300))
    sampler.save_tables()
    tables = tables_of(path)
    raw = tables.read_bytes()
    rng = np.random.default_rng(2)
    for position in rng.permutation(8 * len(raw))[:300].tolist():
        damaged = bytearray(raw)
        damaged[position // 8] ^= 1 << position % 8
        tables.write_bytes(damaged)
        again = IntervalSampler(VideoIndex.load(path), BINS)
        assert list(again.sample(Q, 0, 0, 300)) == expected
    for other in (raw[:100], b"", b"mine"):
        tables.write_bytes(other)
        again = IntervalSampler(VideoIndex.load(path), BINS)
        assert list(again.sample(Q, 0, 0, 300)) == expected


def test_tables_of_other_bins_under_the_name_of_these_are_computed_anew(path):
    other = IntervalSampler(VideoIndex.load(path), IntervalBins(9, 3))
    other.save_tables()
    tables = tables_of(path)
    sampler = IntervalSampler(VideoIndex.load(path), BINS)
    expected = list(sampler.sample(Q, 0, 0, 300))
    sampler.save_tables()
    (own,) = {*path.parent.glob("*.tables")} - {tables}
    own.write_bytes(tables.read_bytes())
    again = IntervalSampler(VideoIndex.load(path), BINS)
    assert list(again.sample(Q, 0, 0, 300)) == expected


def test_whole_tables_are_opened_not_computed(path, monkeypatch):
    sampler = IntervalSampler(VideoIndex.load(path), BINS)
    sampler.save_tables()
    monkeypatch.setattr("sstrack_sched._eligibility._templates", None)
    again = IntervalSampler(VideoIndex.load(path), BINS)
    assert list(again.sample(Q, 0, 0, 50)) == list(sampler.sample(Q, 0, 0, 50))
    assert pickle.loads(pickle.dumps(again)).feasible.tolist() == sampler.feasible.tolist()
