"""The one door: whatever an engine does to the outside goes through here and is measured here. Writes no table."""
