"""Looks: what a report and a check are shown as. Nothing here computes a figure."""
