"""The shell: one typer command per DVC stage, and a few commands that are no stages."""
