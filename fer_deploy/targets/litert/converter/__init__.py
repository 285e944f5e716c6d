"""Writes LiteRT files from graphs; imported only while lowering, for torch and the schema are."""
