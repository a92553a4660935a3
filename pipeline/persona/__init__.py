"""Persona-chat as tasks: text format, persona rule, distractors (Section 4). No torch."""
