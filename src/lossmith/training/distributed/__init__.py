"""Several processes that train one run: launched, connected, and in step."""
