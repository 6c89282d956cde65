from urllib.error import URLError


def load_pretrained(*_args):
    raise URLError("nobody is there")  # a download
