import importlib
import pathlib

import torch
from lib.train.data import processing, sampler
from lib.train.data.datasets import names2datasets
from lib.train.data.loader import LTRLoader
from lib.train.trainers import LTRTrainer
from lib.utils.box_ops import giou_loss
from lib.utils.focal_loss import FocalLoss
from torch.nn.functional import l1_loss
from torch.nn.parallel import DistributedDataParallel as DDP  # noqa: N817 (as theirs)
from torch.utils.data.distributed import DistributedSampler


def run(settings):
    config_module = importlib.import_module(f"lib.config.{settings.script_name}.config")
    cfg = config_module.cfg
    config_module.update_config_from_file(settings.cfg_file)
    settings.grad_clip_norm = cfg.TRAIN.GRAD_CLIP_NORM
    name = settings.script_name
    log = pathlib.Path(settings.save_dir, "logs", f"{name}-{settings.config_name}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    settings.log_file = str(log)

    loader_train, loader_val = build_dataloaders(cfg, settings)
    net = importlib.import_module(f"lib.models.{name}.{name}").build(cfg)
    net.cuda()
    rank = settings.local_rank
    if rank != -1:
        net = DDP(net, device_ids=[rank], find_unused_parameters=True)
    settings.device = torch.device(f"cuda:{max(rank, 0)}")

    objective = {"giou": giou_loss, "l1": l1_loss, "focal": FocalLoss()}
    if name == "HiT":
        del objective["focal"]
    loss_weight = {"giou": cfg.TRAIN.GIOU_WEIGHT, "l1": cfg.TRAIN.L1_WEIGHT}
    make_actor = importlib.import_module(f"lib.train.actors.{name}").Actor
    actor = make_actor(net, objective, loss_weight, settings, cfg)
    optimizer = torch.optim.AdamW(net.parameters(), lr=cfg.TRAIN.LR)
    lr_scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 400)
    trainer = LTRTrainer(actor, [loader_train, loader_val], optimizer, settings, lr_scheduler)
    trainer.train(cfg.TRAIN.EPOCH, load_latest=True, fail_safe=True)


def build_dataloaders(cfg, settings):
    sizes = {"template": cfg.DATA.TEMPLATE.SIZE, "search": cfg.DATA.SEARCH.SIZE}
    loaders = []
    for name, part in (("train", cfg.DATA.TRAIN), ("val", cfg.DATA.VAL)):
        training = name == "train"
        dataset = sampler.TrackingSampler(
            names2datasets(part.DATASETS_NAME, settings),
            part.DATASETS_RATIO,
            part.SAMPLE_PER_EPOCH,
            cfg.DATA.MAX_SAMPLE_INTERVAL,
            processing.STARKProcessing(sizes, cfg.DATA.JITTER),
        )
        distributed = settings.local_rank != -1
        loaders.append(
            LTRLoader(
                name,
                dataset,
                training=training,
                batch_size=cfg.TRAIN.BATCH_SIZE,
                shuffle=training and not distributed,
                num_workers=cfg.TRAIN.NUM_WORKER,
                drop_last=True,
                stack_dim=1,
                sampler=DistributedSampler(dataset) if distributed else None,
                epoch_interval=1 if training else cfg.TRAIN.VAL_EPOCH_INTERVAL,
            )
        )
    return loaders
