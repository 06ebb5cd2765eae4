"""Sign-in of staff, by allauth: its adapters, URLs and middleware, and forms that came from who was signed out."""
