"""What became of a cluster: verdicts, their reasons, and what was expected."""
