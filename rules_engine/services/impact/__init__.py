"""What a draft would have changed: the recorded past decided again, slice by slice."""
