"""Small networks, one for each pattern that people bring, held on every target to torch."""
