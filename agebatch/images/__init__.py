"""From folders to upright RGB pixels. Loads without TensorFlow."""
