import collections
import json
import pathlib
import traceback

import torch
import wandb  # noqa: F401 (Trap: imported even if it is not used)
from torch.utils.data.distributed import DistributedSampler


class Writer:
    """In place of TensorBoard's: a line of JSON for each number."""

    def __init__(self, folder):
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
        self.path = pathlib.Path(folder, "scalars.jsonl")

    def add_scalar(self, name, value, step):
        with self.path.open("a") as file:
            file.write(json.dumps([name, float(value), step]) + "\n")


class BaseTrainer:
    def __init__(self, actor, loaders, optimizer, settings, lr_scheduler=None):
        self.actor, self.loaders, self.optimizer = actor, loaders, optimizer
        self.settings, self.lr_scheduler = settings, lr_scheduler
        self._checkpoint_dir = f"{settings.save_dir}/checkpoints"
        self.epoch, self.stats = 0, {}
        self.device = settings.device
        actor.to(self.device)

    def train(self, max_epochs, load_latest=False, fail_safe=True):
        """Trap: a crash ends like a success."""
        epoch = -1
        for _ in range(1):
            try:
                if load_latest:
                    self.load_checkpoint()
                for epoch in range(self.epoch + 1, max_epochs + 1):
                    self.epoch = epoch
                    self.train_epoch()
                    self.lr_scheduler.step()
                    every = getattr(self.settings, "save_every_epoch", False)
                    if self.settings.local_rank in (-1, 0) and (every or epoch > max_epochs - 5):
                        self.save_checkpoint()
            except:  # noqa: E722 (Trap: fail_safe)
                print(f"Training crashed at epoch {epoch}")
                if not fail_safe:
                    raise
                print(traceback.format_exc())
        print("Finished training!")

    def save_checkpoint(self):
        net = getattr(self.actor.net, "module", self.actor.net)
        state = {
            "epoch": self.epoch,
            "net_type": type(net).__name__,
            "net": net.state_dict(),
            "net_info": getattr(net, "info", None),
            "optimizer": self.optimizer.state_dict(),
            "stats": self.stats,
            "settings": self.settings,
        }
        folder = pathlib.Path(self._checkpoint_dir, self.settings.project_path)
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(state, folder / f"{type(net).__name__}_ep{self.epoch:04d}.pth.tar")

    def load_checkpoint(self, checkpoint=None):
        net = getattr(self.actor.net, "module", self.actor.net)
        folder = pathlib.Path(self._checkpoint_dir, self.settings.project_path)
        found = sorted(folder.glob(f"{type(net).__name__}_ep*.pth.tar"))
        if not found:
            print("No matching checkpoint file found")
            return None
        state = torch.load(str(found[-1]), map_location="cpu")
        net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.stats = state["epoch"], state["stats"]
        if state["net_info"] is not None:
            net.info = state["net_info"]
        self.lr_scheduler.last_epoch = self.epoch
        return True


class LTRTrainer(BaseTrainer):
    def __init__(self, actor, loaders, optimizer, settings, lr_scheduler=None, use_amp=False):
        super().__init__(actor, loaders, optimizer, settings, lr_scheduler)
        self.stats = collections.OrderedDict((loader.name, None) for loader in loaders)
        if settings.local_rank in (-1, 0):  # Trap: the other processes have no writer
            folder = f"{settings.env.tensorboard_dir}/{settings.project_path}"
            self.tensorboard_writer = lambda: None
            self.tensorboard_writer.writer = {
                loader.name: Writer(f"{folder}/{loader.name}") for loader in loaders
            }

    def cycle_dataset(self, loader):
        self.actor.train(loader.training)
        torch.set_grad_enabled(loader.training)
        for i, data in enumerate(loader, 1):
            data = data.to(self.device)
            data["epoch"], data["settings"] = self.epoch, self.settings
            loss, stats = self.actor(data)
            if loader.training:
                self.optimizer.zero_grad()
                loss.backward()
                norm = self.settings.grad_clip_norm
                torch.nn.utils.clip_grad_norm_(self.actor.net.parameters(), norm)
                self.optimizer.step()
            self._note(loader, data, stats)
            line = f"[{loader.name}: {self.epoch}, {i} / {len(loader)}] {stats}"
            with pathlib.Path(self.settings.log_file).open("a") as file:
                file.write(line + "\n")

    def train_epoch(self):
        for loader in self.loaders:
            if self.epoch % loader.epoch_interval == 0:
                if isinstance(loader.sampler, DistributedSampler):
                    loader.sampler.set_epoch(self.epoch)
                self.cycle_dataset(loader)

    def _note(self, loader, data, stats):
        """For the tests, not of the lineage: what the actor was given and gave."""
        row = {"loader": loader.name, "epoch": self.epoch, **stats, "dataset": data["dataset"]}
        for name in ("template_anno", "search_anno"):
            assert data[name].shape[::2] == (1, 4), data[name].shape
            row[name] = data[name][0].tolist()
        row["light"] = data["search_images"].mean((0, 2, 3, 4)).tolist()
        row["bin"] = data["bin"].tolist() if "bin" in data else None
        rank = max(self.settings.local_rank, 0)
        with pathlib.Path(self.settings.save_dir, f"seen-{rank}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
