"""The user's side of AutoTP in Python."""
