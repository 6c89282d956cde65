"""The training run: settings, loop, losses, checkpoints."""
