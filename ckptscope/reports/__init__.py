"""Report → string: text for people, markdown, JSON. Nothing here prints or judges."""
