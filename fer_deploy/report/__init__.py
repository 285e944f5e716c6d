"""The report: one schema, and views of it that compute nothing."""
