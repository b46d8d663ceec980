"""From a request to its response: who, may they, what, and in which form."""
