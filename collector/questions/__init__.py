"""What analysts ask of the lake: the search language, its SQL, its answers."""
