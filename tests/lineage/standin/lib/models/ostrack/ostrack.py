import torch
from lib.models.tiny import TINY


def vit_base_patch16_224(pretrained, dropout):
    net = TINY(dropout)
    if pretrained:
        net.load_state_dict(torch.load(pretrained)["model"])
    return net


def build(cfg):
    return vit_base_patch16_224(cfg.MODEL.PRETRAIN_FILE, dropout=cfg.MODEL.DROPOUT)
