"""The Prediction record, sums over records, and the headline epoch. No torch."""
