"""Work that is done in other processes. Loads without TensorFlow."""

from agebatch.workers.readers import Look, Readers

__all__ = ["Look", "Readers"]
