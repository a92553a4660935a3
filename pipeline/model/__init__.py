"""The learner f: GPT-2, adapters, the encoding of dialogues (Section 3.2, Fig. 2, Fig. 4)."""
