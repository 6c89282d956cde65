"""Videos, their frames, and the crops that are made of them."""
