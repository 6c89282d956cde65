"""Bad input: an error that says what was looked for, and where."""

import importlib
import itertools
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from examples.lineage import launcher
from examples.lineage.checkout import SetupError, install_environment
from examples.lineage.config import install_config

from .checkouts import SCRIPTS, make_checkout

TRACKERS = {
    name: getattr(importlib.import_module(f"examples.{name}.train"), name.upper())
    for name in SCRIPTS
}


@pytest.fixture
def error_of(capsys):
    """Message of a command line that is refused before anything is imported or written."""

    def run(tracker, arguments):
        with pytest.raises(SystemExit) as caught:
            launcher.main(TRACKERS[tracker], [*map(str, arguments)])
        assert "lib" not in sys.modules
        code = caught.value.code
        if isinstance(code, str):
            assert code.startswith("error: ")
            return code
        assert code == 2  # argparse
        return capsys.readouterr().err

    return run


@pytest.fixture
def setup(checkouts, import_from, options):
    """The config of the stand-in, read with options: ``setup(*more)``."""

    def read(*more, checkout=checkouts["ostrack"], text=None):
        module = import_from(checkout, "lib.config.ostrack.config")
        arguments = [*map(str, options(checkout, "unused", *more))]
        args = launcher.parse(TRACKERS["ostrack"], arguments)
        folders = install_environment(args)
        install_config(module, args, folders)
        path = Path(checkout, "experiments/ostrack/tiny.yaml")
        if text is not None:
            path = Path(checkout).parent / "other.yaml"
            path.write_text(text)
        module.update_config_from_file(str(path))
        return module.cfg

    return read


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_a_checkout_that_is_not_there(error_of, options, tmp_path, says, name):
    message = error_of(name, options(tmp_path / "none", tmp_path))
    assert re.search(says("--checkout", TRACKERS[name].repository, tmp_path / "none"), message)


@pytest.mark.parametrize("name, other", [*itertools.permutations(SCRIPTS, 2)])
def test_the_checkout_of_another_tracker(error_of, checkouts, options, tmp_path, name, other):
    message = error_of(name, options(checkouts[other], tmp_path))
    assert str(checkouts[other]) in message
    for file in TRACKERS[name].files:
        assert file in message


def test_a_folder_that_is_no_checkout_at_all(error_of, options, tmp_path):
    message = error_of("hit", options(tmp_path, tmp_path))
    assert "lib/train/run_training.py" in message and str(tmp_path) in message


def test_a_config_that_is_not_there(error_of, options, checkouts, tmp_path):
    arguments = [*map(str, options(checkouts["ostrack"], tmp_path))]
    arguments[arguments.index("tiny")] = "huge"
    message = error_of("ostrack", arguments)
    assert str(checkouts["ostrack"] / "experiments/ostrack/huge.yaml") in message
    assert "tiny" in message  # what there is


@pytest.mark.parametrize(
    "option, value",
    [
        ("--sampler", "best"),
        ("--spacing", "0"),
        ("--max-interval", "-3"),
        ("--threshold", "1.5"),
        ("--threshold", "median"),
        ("--order", "nan"),
    ],
)
def test_an_option_out_of_range(error_of, options, checkouts, tmp_path, option, value):
    message = error_of("ostrack", options(checkouts["ostrack"], tmp_path, option, value))
    name = option.lstrip("-").replace("-", "_")
    assert name.split("_")[0] in message and value in message


def test_pretrained_weights_that_are_not_there(train, tmp_path):
    done = train(tmp_path, "--pretrained", tmp_path / "none.pth", from_scratch=False)
    assert done.returncode == 1
    assert "error: --pretrained" in done.err and str(tmp_path / "none.pth") in done.err


def test_missing_data_names_the_option_the_data_set_and_the_folder(setup, says, tmp_path):
    with pytest.raises(SetupError, match=says("COCO17", "--coco", tmp_path / "none", "command")):
        setup("--coco", tmp_path / "none")


def test_data_of_the_validation_is_looked_for_too(setup, says, tmp_path):
    with pytest.raises(SetupError, match=says("GOT10K_votval", "--got10k", "DATA.VAL")):
        setup("--got10k", tmp_path / "none")


def test_a_folder_that_nobody_named_is_asked_for(checkouts, import_from, tmp_path, says, data):
    module = import_from(checkouts["ostrack"], "lib.config.ostrack.config")
    given = ["--checkout", checkouts["ostrack"], "--config", "tiny", "--save-dir", tmp_path]
    given += ["--lasot", data / "lasot", "--got10k", data / "got10k"]
    args = launcher.parse(TRACKERS["ostrack"], [*map(str, given)])
    install_config(module, args, install_environment(args))
    with pytest.raises(SetupError, match=says("COCO17", "--coco", "not given")):
        module.update_config_from_file(str(checkouts["ostrack"] / "experiments/ostrack/tiny.yaml"))


def test_folders_of_the_checkouts_local_py_serve_where_the_command_line_names_none(
    data, import_from, tmp_path
):
    checkout = make_checkout(tmp_path / "checkout")
    local = checkout / "lib/train/admin/local.py"
    local.write_text(
        "class EnvironmentSettings:\n    def __init__(self):\n"
        f"        self.lasot_dir = {str(data / 'lasot')!r}\n"
        "        self.coco_dir = 'of another machine'\n"
    )
    given = ["--checkout", checkout, "--config", "tiny", "--save-dir", tmp_path]
    given += ["--coco", data / "coco"]
    args = launcher.parse(TRACKERS["ostrack"], [*map(str, given)])
    import_from(checkout, "lib")
    folders = install_environment(args)
    assert folders["lasot"][0] == str(data / "lasot") and "local.py" in folders["lasot"][1]
    assert folders["coco"] == (str(data / "coco"), "the command line")
    settings = sys.modules["lib.train.admin.local"].EnvironmentSettings()
    assert (settings.lasot_dir, settings.coco_dir) == (str(data / "lasot"), str(data / "coco"))
    assert settings.workspace_dir == str(tmp_path)


def test_with_lmdb_the_folders_are_those_of_lmdb(checkouts, import_from, options, tmp_path, data):
    import_from(checkouts["ostrack"], "lib")
    given = [*map(str, options(checkouts["ostrack"], tmp_path, "--lmdb"))]
    install_environment(launcher.parse(TRACKERS["ostrack"], given))
    settings = sys.modules["lib.train.admin.local"].EnvironmentSettings()
    assert settings.lasot_lmdb_dir == str(data / "lasot")


def test_the_command_line_goes_over_the_config(setup):
    cfg = setup(
        *("--epochs", 7, "--samples-per-epoch", 48),
        *("--set", "TRAIN.BATCH_SIZE=8", "DATA.TRAIN.DATASETS_NAME=[COCO17,LASOT]"),
        *("--set", "MODEL.DROPOUT=0.5"),
    )
    assert (cfg.TRAIN.EPOCH, cfg.DATA.TRAIN.SAMPLE_PER_EPOCH) == (7, 48)
    assert (cfg.TRAIN.BATCH_SIZE, cfg.MODEL.DROPOUT) == (8, 0.5)
    assert cfg.DATA.TRAIN.DATASETS_NAME == ["COCO17", "LASOT"]


def test_every_set_counts(setup):
    cfg = setup("--set", "TRAIN.BATCH_SIZE=8", "--set", "MODEL.DROPOUT=0.5")
    assert (cfg.TRAIN.BATCH_SIZE, cfg.MODEL.DROPOUT) == (8, 0.5)


@pytest.mark.parametrize(
    "text, words",
    [
        ("TRAIN.NO_SUCH=3", ("--set", "TRAIN.NO_SUCH", "tiny.yaml")),
        ("NOTHING.AT.ALL=3", ("--set", "NOTHING.AT.ALL")),
        ("TRAIN.BATCH_SIZE", ("--set", "KEY=VALUE", "'TRAIN.BATCH_SIZE'")),
    ],
)
def test_a_value_for_a_key_that_is_not_there(setup, says, text, words):
    with pytest.raises(SetupError, match=says(*words)):
        setup("--set", text)


@pytest.mark.parametrize(
    "key",
    [
        "TRAIN.EPOCH",
        "TRAIN.BATCH_SIZE",
        "DATA.MAX_SAMPLE_INTERVAL",
        "DATA.TRAIN.DATASETS_NAME",
        "DATA.TRAIN.SAMPLE_PER_EPOCH",
    ],
)
def test_a_config_without_a_key_that_is_needed(setup, says, key):
    *sections, last = key.split(".")
    text = "".join(f"{'  ' * i}{name}:\n" for i, name in enumerate(sections))
    text += f"{'  ' * len(sections)}{last}: null\n"
    with pytest.raises(SetupError, match=says(key, "other.yaml")):
        setup(text=text)


@pytest.mark.parametrize(
    "key, value",
    [
        ("TRAIN.EPOCH", 0),
        ("TRAIN.BATCH_SIZE", "many"),
        ("DATA.TRAIN.SAMPLE_PER_EPOCH", 15),  # less than a batch
        ("DATA.VAL.SAMPLE_PER_EPOCH", 15),
        ("DATA.TRAIN.DATASETS_RATIO", [1]),  # of two data sets
    ],
)
def test_numbers_of_the_config_that_do_not_fit(setup, says, key, value):
    with pytest.raises(SetupError, match=says(key, value)):
        setup("--set", f"{key}={value}")


def test_samples_that_the_processes_cannot_share(setup, says, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SetupError, match=says("SAMPLE_PER_EPOCH", "multiple", 2, 64, 66, "got 65")):
        setup("--samples-per-epoch", 65)


@pytest.mark.parametrize(
    "name, key, value, least",
    [("avtrack", "BATCH_SIZE", 1, 2), ("hit", "NUM_WORKER", 0, 1)],
)
def test_what_one_tracker_cannot_train_with(says, name, key, value, least):
    def config(number):
        return SimpleNamespace(TRAIN=SimpleNamespace(**{key: number}))

    with pytest.raises(SetupError, match=says(f"TRAIN.{key}", f"at least {least}")):
        TRACKERS[name].check_config(config(value), None)
    TRACKERS[name].check_config(config(least), None)


def test_pretrained_weights_of_the_config_that_are_not_there(train, tmp_path, checkouts):
    """Said before the data are indexed."""
    done = train(tmp_path, "--cache", tmp_path / "cache", from_scratch=False)
    assert done.returncode == 1
    message = done.err.splitlines()[-1]
    assert message.startswith("error: MODEL.PRETRAIN_FILE")
    assert str(checkouts["ostrack"] / "pretrained_models" / "weights.pth") in message
    assert "--pretrained" in message and "--from-scratch" in message
    assert not (tmp_path / "cache").exists()


UNKNOWN = [
    ("DATA.SAMPLER_MODE", "trident"),
    ("DATA.TEMPLATE.NUMBER", 2),
    ("DATA.SEARCH.NUMBER", 3),
    ("DATA.MAX_SAMPLE_INTERVAL", 1),
    ("DATA.MAX_SAMPLE_INTERVAL", [200]),
]


@pytest.mark.parametrize("key, value", UNKNOWN)
def test_a_config_of_another_sampler_than_the_causal_one_of_a_pair(setup, says, key, value):
    with pytest.raises(SetupError, match=says(key, value)):
        setup("--set", f"{key}={value}")


@pytest.mark.parametrize("key, value", UNKNOWN)
def test_such_a_config_is_left_to_upstreams_own_sampler(setup, key, value):
    setup("--set", f"{key}={value}", "--sampler", "upstream")


def changed(checkouts, folder, path, old, new):
    """A copy of the checkout where one thing is another."""
    shutil.copytree(checkouts["ostrack"], folder)
    text = (folder / path).read_text()
    assert old in text
    (folder / path).write_text(text.replace(old, new))
    return folder


@pytest.mark.parametrize(
    "path, old, new, word",
    [
        ("lib/utils/box_ops.py", "generalized_box_iou", "giou_of_boxes", "generalized_box_iou"),
        ("lib/train/train_script.py", "build_dataloaders", "make_loaders", "build_dataloaders"),
        ("lib/utils/box_ops.py", "(1 - giou).mean()", "(2 - giou).mean()", "giou loss"),
    ],
)
def test_an_unknown_version(train, checkouts, tmp_path, path, old, new, word):
    other = changed(checkouts, tmp_path / "other", path, old, new)
    done = train(tmp_path / "run", "--epochs", 1, checkout=other)
    assert done.returncode == 1
    message = done.err.splitlines()[-1]
    assert message.startswith("error: this version") and word in message
    assert "Finished training!" not in done.out
