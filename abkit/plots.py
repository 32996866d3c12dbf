"""Figures: a result in, Axes out."""
