"""Runs looked at: how far errors reach, what windows cut, what a state is worth; measured, told, drawn."""
