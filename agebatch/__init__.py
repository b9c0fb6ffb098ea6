"""agebatch: apparent age and gender of every face in folders of photographs."""

__version__ = "0.1.0"
