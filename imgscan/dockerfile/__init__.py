"""What made the image: a Dockerfile as records (`parse`), the ignore rules (`ignore`) and the build context (`context`)."""
