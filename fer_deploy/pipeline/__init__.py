"""The whole job: a configuration, the export of artifacts, and the run that reports on them."""
