"""A snapshot in, the bytes of a document out: HTML pages, API v2, feeds, calendars, drawings, open data.

Pure: nothing here reads a row, a clock or a setting of the site, and nothing here may import the record or the ORM.
Publication asks `documents` for what a page consists of; mails and webhooks are rendered by the same modules.
"""
