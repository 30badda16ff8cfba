"""Projects and the documents in them."""
