"""What a next version might bring: `portal`'s own migrations, and one more."""
