"""Looking around in an image: the tree of each layer (`tree`, pure), and the terminal browser that shows it (`app`)."""
