"""Episodes: a task's support and query sets; drawn distractors."""
