"""The command `netswap`: `app` puts it together, one file for each verb."""
