"""Which of θ the inner loop moves."""

PATTERNS = {"all": None, "anil": ["h.1.*", "special.weight"]}
