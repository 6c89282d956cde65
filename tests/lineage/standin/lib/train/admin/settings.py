import importlib


class Settings:
    def __init__(self):
        try:
            self.env = importlib.import_module("lib.train.admin.local").EnvironmentSettings()
        except:  # noqa: E722 (Trap: whatever is wrong, it is said to be this)
            raise RuntimeError("YOU HAVE NOT SETUP YOUR local.py!!!") from None
        self.use_gpu = True
