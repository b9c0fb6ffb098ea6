"""Labelled folders: reading labels, splitting, finding near-duplicates. Loads without TensorFlow."""
