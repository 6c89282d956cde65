from collections import OrderedDict

import torch


class TensorDict(OrderedDict):
    """A dict that passes calls of tensor methods on to its values."""

    def apply(self, function):
        return TensorDict({key: function(value) for key, value in self.items()})

    def __getattr__(self, name):
        if not hasattr(torch.Tensor, name):
            raise AttributeError(name)

        def call(*args, **options):
            return self.apply(
                lambda value: (
                    getattr(value, name)(*args, **options) if hasattr(value, name) else value
                )
            )

        return call
