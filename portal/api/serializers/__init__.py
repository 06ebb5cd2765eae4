"""The words of the manage API: what a request may say, and what an answer says, as Statuspage has them."""
