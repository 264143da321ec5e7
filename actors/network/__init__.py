"""What lies between machines: links, switch ports, and disturbances of both and of machines."""
