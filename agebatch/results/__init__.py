"""Reports: their columns, their files, and the journal of what is done. Loads without TensorFlow."""
