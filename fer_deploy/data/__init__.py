"""Datasets and the reference preprocessing of the Contract."""
