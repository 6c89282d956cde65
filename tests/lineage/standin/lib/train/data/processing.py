import cv2
import torch


class STARKProcessing:
    """Whole frames in place of crops, in the shapes of crops."""

    def __init__(self, output_sz, jitter):
        self.output_sz, self.jitter = output_sz, jitter

    def __call__(self, data):
        for part, size in self.output_sz.items():
            box = data[f"{part}_anno"][0]
            height, width = data[f"{part}_images"][0].shape[:2]
            if box[2:].prod() < 1:
                raise Exception("Too small bounding box.")
            if not 0 <= box[0] + box[2] / 2 <= width:
                data["valid"] = False  # Trap: returned as it is, lists and all
                return data
            scale = torch.tensor([width, height, width, height])
            data[f"{part}_images"] = [self._tensor(image, size) for image in data[f"{part}_images"]]
            data[f"{part}_anno"] = [b / scale for b in data[f"{part}_anno"]]
        data["valid"] = True
        return data.apply(lambda value: torch.stack(value) if isinstance(value, list) else value)

    def _tensor(self, image, size):
        small = torch.from_numpy(cv2.resize(image, (size, size))).permute(2, 0, 1)
        return small / 255 * (1 + self.jitter * (torch.rand(1) - 0.5))
