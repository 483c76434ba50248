"""The supervisor daemon: performs what ``channeld.core`` decides."""
