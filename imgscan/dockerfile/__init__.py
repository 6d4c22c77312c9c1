"""What made the image: a Dockerfile as records (`parse`), ignore rules (`ignore`) and the build context (`context`)."""
