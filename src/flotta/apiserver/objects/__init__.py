"""What happens to objects: bodies, admission, writes, patches, lists and watches."""
