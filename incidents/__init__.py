"""The record: what happened and who said so. Rows in `models`, and the verbs (services) that alone change them.

Everybody above may read the rows and call the verbs. It knows nothing of documents, recipients, forms or mail.
"""
