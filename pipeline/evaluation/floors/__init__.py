"""Stage `floors`: what needs no learning. No torch."""
