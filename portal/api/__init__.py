"""What programs write and read with a key: Statuspage's manage API v1, the part of it that its clients use most."""
