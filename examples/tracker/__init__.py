"""A small single-object tracker trained with sampling intervals scheduled by success."""
