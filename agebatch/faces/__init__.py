"""From pixels to faces: boxes, five landmarks, aligned chips."""

import os

# TensorFlow reads this when it is loaded. It leaves oneDNN off on processors without AVX-512, but there, too, the
# detector's narrow convolutions take a third of the time with it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
