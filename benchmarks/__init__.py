"""How fast and how lean the learning core is, against what a user would write or install."""
