"""Training: recipe, loop, losses, augmentation, averaging, checkpoints."""
