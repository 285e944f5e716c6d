"""A new project: what is read from a network, what is asked, and the files that are written."""
