"""The fields of the manage API: what a request may carry and what a response has, as Statuspage has them."""
