"""Φ, what Extra-place adds to φ (Fig. 2): f is unchanged at the start, exactly (Eq. 2)."""
