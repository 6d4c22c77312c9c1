"""How much of what it should find a secret scanner finds, and how much else it reports."""
