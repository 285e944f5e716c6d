"""The latency estimator: operators' costs, device terms fitted on published measurements, bands and refusals."""
