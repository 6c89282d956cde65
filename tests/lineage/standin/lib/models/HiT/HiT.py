from lib.models.HiT import levit
from lib.models.tiny import TINY


class HIT(TINY):
    def forward(self, images_list=None, xz=None, mode="backbone", run_box_head=False):
        if mode == "backbone":
            search, template = images_list
            return self.features(template, search)
        return {"pred_boxes": self.predict(*xz)["pred_boxes"]}, None, None


def build(cfg):
    net = HIT(cfg.MODEL.DROPOUT)
    levit.load_pretrained(net)
    return net
