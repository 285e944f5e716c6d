"""Studies, searches and model cards: their specifications, runs and pages."""
