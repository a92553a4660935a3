"""Stage `compare`: paired tests between variants, corrected for their number. No torch."""
