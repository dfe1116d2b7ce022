"""Explain: replace a part by what the rest says it should be, and ask how much the score rises."""
