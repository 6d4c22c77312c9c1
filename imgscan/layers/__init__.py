"""What is in the layers of an image: blob bytes -> tar entries -> listings -> the stacked file system and its waste."""
