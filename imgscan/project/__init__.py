"""What stands around the image: the files that reach the build, the ignore file, the workspace.

Each module takes the parsed Dockerfile and the build context and gives findings; none needs an engine.
"""
