"""What a person's first K dialogues bring, without candidates. No torch.

- `rates.py`: fine-tuning's optimizer and rate for each K, on valid (`stages.rates`).
- `shots.py`: a variant's sums after K dialogues, on test (`stages.shots`); `same_replies.py`
  says whether two variants' are of the same replies.
- `shot_contrasts.py`: which sides are compared; `shot_tests.py`: their tests
  (`stages.shot_tests`); `shot_answers.py`: the file that holds the answers.
"""
