"""Quality metrics, a file each; `registry` finds them by name and applies them under a protocol."""
