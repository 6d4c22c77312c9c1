"""`python -m imgscan`."""

from imgscan.cli.main import main

if __name__ == "__main__":
    main()
