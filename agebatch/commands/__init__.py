"""One verb each: what `agebatch VERB` does. Commands never import each other."""
