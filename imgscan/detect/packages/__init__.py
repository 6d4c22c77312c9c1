"""Which files of an image belong to packages, by the word of the package databases that lie in it."""
