"""How good a tracker is."""
