"""agebatch: apparent age and gender of every face in folders of photographs."""

import os

__version__ = "0.1.0"

# TensorFlow reads this when it is loaded, so it must stand where every way in comes by. TensorFlow leaves oneDNN off on
# processors without AVX-512, but there, too, the detector takes half and the network two thirds of the time with it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
