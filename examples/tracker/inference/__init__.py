"""Tracking with trained weights: videos, cameras, and the evaluation toolkits."""
