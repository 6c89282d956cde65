from lib.models.tiny import TINY


class AVTRACK(TINY):
    is_distill_training = False

    def forward(self, template, search):
        found = super().forward(template, search)
        found["mine_loss"] = self.conv.weight.pow(2).sum()
        found["activeness_loss"] = self.score.weight.abs().mean()
        return found


def build(cfg):
    return AVTRACK(cfg.MODEL.DROPOUT)
