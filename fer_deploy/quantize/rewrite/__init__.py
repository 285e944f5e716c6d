"""Rewrites of an exported float graph, each exact: the same function in the one form that every target lowers well.

Every rewrite is a function from a graph module to the number of places it changed, in place. :mod:`canonical` runs them
in order and proves each on faces.
"""
