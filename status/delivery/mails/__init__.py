"""Mail: composed once and filled in for each recipient, about what, and how it is sent over SMTP.

For the channels that send mail, and for the console's preview.
"""
