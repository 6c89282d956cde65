from lib.train.actors.base import BaseActor


class Actor(BaseActor):
    def __call__(self, data):
        found = self.forward_pass(data, run_box_head=True)
        return self.compute_losses(found, data["search_anno"][0])

    def forward_pass(self, data, run_box_head):
        images = [data["search_images"][0], data["template_images"][0]]
        features = self.net(images_list=images, mode="backbone")
        found, _, _ = self.net(xz=features, mode="head", run_box_head=run_box_head)
        return found
