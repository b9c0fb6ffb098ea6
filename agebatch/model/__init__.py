"""The age and gender network: building, training, calibrating, packaging."""
