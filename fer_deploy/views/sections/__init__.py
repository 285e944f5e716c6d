"""The sections of a report, one function each: a title and blocks, or None where the report has nothing for it."""
