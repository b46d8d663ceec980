"""The settings of a medium, from what a user wrote to checked values."""
