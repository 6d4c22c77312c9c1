"""The stages of a Dockerfile simulated: what the context brings where, what a RUN may have made."""
