"""From a kernel's log to the waits of the model: which links of the ring it shows, and which it does not."""
