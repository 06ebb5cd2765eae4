"""Doors of machines: what other services report to the portal by themselves. Each hands what it read to one service."""
