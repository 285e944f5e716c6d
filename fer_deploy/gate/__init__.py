"""Judgement: a report held to a budget. Nothing here measures, prints or writes a page."""
