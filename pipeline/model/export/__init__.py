"""A trained variant for others: a Hugging Face folder."""
