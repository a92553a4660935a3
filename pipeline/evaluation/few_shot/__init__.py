"""What a person's first K dialogues bring, without candidates. No torch.

- `rates.py`: fine-tuning's optimizer and rate for each K, on valid (`stages.rates`);
  `rates_file.py`: what its file was made from, and whether shots have its choice.
- `shots.py`: a variant's sums after K dialogues, on test (`stages.shots`), each of `shot_cells.py`;
  `same_replies.py` says whether two variants' are of the same replies, `short_prompts.py` where
  fewer than K dialogues fit into the prompt.
- `shot_contrasts.py`: which sides are compared; `shot_tests.py`: their tests
  (`stages.shot_tests`); `shot_answers.py`: the file that holds the answers; `kept_sums.py`: the
  sums that a study keeps, and whether a result is of them.
"""
