from lib.train.actors.base import BaseActor


class Actor(BaseActor):
    def __call__(self, data):
        found = self.forward_pass(data)
        loss, status = self.compute_losses(found, data["search_anno"][-1])
        loss = loss + 0.00001 * found["mine_loss"] + 48 * found["activeness_loss"]
        return loss, {**status, "Loss/total": loss.item()}

    def forward_pass(self, data):
        assert not self.net.is_distill_training  # Trap: DistributedDataParallel has no such name
        return self.net(template=data["template_images"][0], search=data["search_images"][0])
