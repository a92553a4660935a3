"""Stage `p2_receiver`: whose persona an utterance is about."""
