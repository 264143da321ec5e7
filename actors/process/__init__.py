"""How programs come to a machine and go: `loader` makes processes of what a scenario names, `process` kills them."""
