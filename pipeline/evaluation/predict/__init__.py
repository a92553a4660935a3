"""Stage `finetune`: adapt to each unseen persona, then score and answer its other replies.

Read `persona.py` first. `protocols.py` says what is support and what is query.
"""
