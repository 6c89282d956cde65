"""Videos that are painted: they need no download and have exact boxes."""
