"""From a list of photographs to finished rows: reading, detection, cutting and prediction, overlapped."""
