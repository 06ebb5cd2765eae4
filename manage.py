#!/usr/bin/env python
"""`incident-portal` in a checkout."""

from portal.__main__ import main

if __name__ == "__main__":
    main()
