"""What a change would do before anybody makes it: the flows of every host, worked out from the store alone."""
