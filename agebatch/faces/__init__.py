"""From pixels to faces: boxes, five landmarks, aligned chips."""
