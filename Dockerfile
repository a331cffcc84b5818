# syntax=docker/dockerfile:1
# The server as an image:  docker build -t burnish .
#   docker run -p 127.0.0.1:8000:8000 -v "$PWD/runs/NAME/model:/model:ro" burnish
# With a model inside:     docker build -t tickets --target baked --build-arg MODEL=runs/NAME/model .
# MLflow for PostgreSQL:   docker build -t burnish-mlflow --target mlflow .
#
# By tag, because a digest would also pin Debian's security updates away; who needs the same bytes
# twice gives `--build-arg PYTHON=python:3.11-slim-bookworm@sha256:...`.
ARG PYTHON=python:3.11-slim-bookworm

# Packages, in a folder of their own that the images below take over whole.
FROM ${PYTHON} AS build
# Wheels without CUDA, which is most of the gigabytes. https://pypi.org/simple for those with it.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PATH=/opt/burnish/bin:$PATH
WORKDIR /src
RUN python -m venv /opt/burnish && \
    pip install --no-cache-dir --index-url "$TORCH_INDEX" "torch>=2.10,<2.14"
# What the package needs is a layer of its own: it stays when only the code changes.
COPY pyproject.toml README.md LICENSE ./
# Versions stand in pyproject.toml.
# hadolint ignore=DL3013
RUN mkdir -p src/burnish && touch src/burnish/__init__.py && \
    pip install --no-cache-dir ".[serve]"
COPY src src
RUN pip install --no-cache-dir --no-deps --force-reinstall .

FROM build AS mlflow-build
RUN pip install --no-cache-dir "psycopg[binary]>=3.2,<4"

# What every image runs in: nothing to build with, and nobody who could write to it.
FROM ${PYTHON} AS plain
# A name for the user, as libraries ask for one and there is no entry in /etc/passwd.
ENV PATH=/opt/burnish/bin:$PATH \
    HOME=/tmp \
    LOGNAME=burnish \
    HF_HUB_OFFLINE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /tmp

FROM plain AS mlflow
# A new volume that is mounted here takes this folder's owner.
USER 0
RUN install -d -o 10001 -g 10001 /artifacts
USER 10001:10001
COPY --from=mlflow-build /opt/burnish /opt/burnish
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 5000, timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["mlflow", "server", "--host", "0.0.0.0"]

FROM plain AS runtime
COPY --from=build /opt/burnish /opt/burnish
EXPOSE 8000
# http.client, which unlike urllib takes no proxy from the environment.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=2); c.request('GET', '/readyz'); raise SystemExit(c.getresponse().status != 200)"]
# All addresses of the container; which of the machine's ports leads there is for who runs it.
ENTRYPOINT ["burnish", "serve", "--host", "0.0.0.0"]
CMD ["/model"]

FROM runtime AS baked
ARG MODEL
COPY ${MODEL} /model

# The last one is built when no target is named: the model is mounted at /model.
FROM runtime AS server
