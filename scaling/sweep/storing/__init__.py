"""A study's folder: records, their index, claims; what is damaged, lost or no longer needed."""
