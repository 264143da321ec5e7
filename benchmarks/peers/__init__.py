"""The workloads as one would write them with another simulator."""
