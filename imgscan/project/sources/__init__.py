"""What the application's own sources say: which variables they read, which address and port they listen on. Pure."""
