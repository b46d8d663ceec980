"""What a device that runs from an image shows to whoever stands before it."""
