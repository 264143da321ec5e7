"""What lies between machines: links, switch ports, and faults of both and of machines."""
