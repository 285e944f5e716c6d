"""Targets: each lowers a graph to an artifact and opens a host session on it."""
