"""The whole family in one run: teachers from scratch, then all students at once, taught about every augmented view."""
