from lib.train.actors.base import BaseActor


class Actor(BaseActor):
    def __call__(self, data):
        return self.compute_losses(self.forward_pass(data), data["search_anno"][-1])

    def forward_pass(self, data):
        assert len(data["template_images"]) == len(data["search_images"]) == 1
        return self.net(template=data["template_images"][0], search=data["search_images"][0])
