"""How fast imgscan is, beside other tools and beside the engine itself."""
