"""The command line: one file per command, each importing its work when it runs."""
