# imgscan in an image: docker run --rm -v /var/run/docker.sock:/var/run/docker.sock --group-add GID IMAGE scan app:1
# Archives and registries need no socket: docker run --rm -v "$PWD:/work:ro" IMAGE scan app.tar
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# 1. what imgscan needs: lost when a lock changes, never for an edit
COPY .ci/runtime-requirements.lock .ci/build-requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m pip install --no-deps --require-hashes --target /opt/imgscan -r runtime-requirements.lock \
 && python3 -m pip install --no-deps --require-hashes --target /opt/build -r build-requirements.lock \
 && python3 -m compileall -q /opt/imgscan
# 2. imgscan itself, as a wheel: the rules are part of it
COPY pyproject.toml README.md LICENSE ./
COPY rules rules
COPY imgscan imgscan
RUN PYTHONPATH=/opt/build python3 -m hatchling build -t wheel -d /wheel \
 && python3 -m pip install --no-deps --no-index --no-cache-dir --target /opt/imgscan /wheel/*.whl \
 && rm -rf /opt/imgscan/bin \
 && python3 -m compileall -q /opt/imgscan/imgscan

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/imgscan /opt/imgscan
ENV PYTHONPATH=/opt/imgscan
WORKDIR /work
# A number can be checked without /etc/passwd.
USER 1000:1000
# A command, not a service: there is nothing to ask.
HEALTHCHECK NONE
ENTRYPOINT ["python3", "-m", "imgscan"]
CMD ["--help"]
