"""Conversion of what earlier releases of Project Flotta left behind."""
