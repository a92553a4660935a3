"""The names of the six tokens that mark segments (Appendix A, Fig. 4). No torch."""

# No padding token is needed: batches are padded on the right, which causal attention never sees.
SPECIAL_TOKENS = (
    "<|persona|>",
    "<|/persona|>",
    "<|user|>",
    "<|/user|>",
    "<|system|>",
    "<|/system|>",
)
