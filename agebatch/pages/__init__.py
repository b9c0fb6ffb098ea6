"""One look for every HTML page: shell, plots as inline SVG, thumbnails. Loads without TensorFlow."""
