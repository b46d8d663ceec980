"""Readers of ISO 9660 images and of how they boot, and what changes them."""
