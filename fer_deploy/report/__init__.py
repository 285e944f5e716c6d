"""The stored report: its schema, and the words for its figures."""
