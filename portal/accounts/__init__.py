"""Sign-in of staff: backends, allauth's adapters and pages, and forms that came from somebody who was signed out."""
