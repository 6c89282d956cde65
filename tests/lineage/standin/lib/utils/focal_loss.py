import torch


class FocalLoss(torch.nn.Module):
    def __init__(self, alpha=2, beta=4):
        super().__init__()
        self.alpha, self.beta = alpha, beta

    def forward(self, prediction, target):
        prediction = prediction.clamp(min=1e-12)
        at_peak = target == 1
        hits = ((1 - prediction) ** self.alpha * prediction.log())[at_peak].sum()
        others = prediction**self.alpha * (1 - target) ** self.beta * (1 - prediction).log()
        misses = others[~at_peak].sum()
        return -misses if not at_peak.any() else -(hits + misses) / at_peak.sum()
