"""Backbones that several families share: their names, keys, counts and inference."""
