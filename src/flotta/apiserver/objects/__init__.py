"""Objects on their way in and out: bodies, admission, writes, patches, lists and watches."""
