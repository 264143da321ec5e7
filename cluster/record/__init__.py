"""What a run leaves to be looked at: series of each machine, and the moments that matter. Nothing of it is in a result."""
