"""From a request to its response: authentication, authorization, handling, encoding."""
