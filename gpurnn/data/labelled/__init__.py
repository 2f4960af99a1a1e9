"""Texts with a label each, and sentences with a tag a word: what is read, what is refused, what is stored."""
