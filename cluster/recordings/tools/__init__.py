"""What other tools say of the pages that a program touches, line by line, and the trace that is made of it."""
