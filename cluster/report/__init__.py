"""The report of a run, or of several: one page that opens anywhere, and its charts as pictures."""
