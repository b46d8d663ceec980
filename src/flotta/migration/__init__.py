"""Bringing what earlier releases of Project Flotta left behind to the form of today."""
