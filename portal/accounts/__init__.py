"""Sign-in of staff, by allauth: its adapters, memory, notices, URLs and middleware, and forms of who was signed out."""
