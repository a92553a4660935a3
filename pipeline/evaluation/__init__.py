"""From predictions to numbers (Section 4.1, Table 1, Fig. 3)."""
