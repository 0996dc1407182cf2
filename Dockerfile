# Builds from a checkout, a source archive or the image context of a release: docker build -t whatsapp-mcp .
# With what accounts on several machines need: docker build --build-arg REQUIREMENTS=fleet .
# Packages are installed from the lock files, by hash. The root file system may be read-only: all state is in /data.

FROM python:3.13-slim@sha256:9662417aace5ae7b8e2609cce472b72a8958e134ba372808abe9cc1a0c0125e6 AS build
ARG REQUIREMENTS=runtime
WORKDIR /source
COPY requirements/runtime.txt requirements/fleet.txt requirements/build.txt requirements/
RUN python -m venv /tmp/build && /tmp/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt
RUN python -m venv --without-pip /opt/whatsapp-mcp \
    && pip --python /opt/whatsapp-mcp/bin/python install --no-cache-dir --require-hashes -r requirements/$REQUIREMENTS.txt
COPY pyproject.toml README.md LICENSE ./
COPY whatsapp_fleet whatsapp_fleet
COPY whatsapp_mcp whatsapp_mcp
COPY whatsapp_simulator whatsapp_simulator
RUN /tmp/build/bin/python -m hatchling build -t wheel -d /tmp/wheel \
    && pip --python /opt/whatsapp-mcp/bin/python install --no-cache-dir --no-deps --no-index /tmp/wheel/*.whl

FROM python:3.13-slim@sha256:9662417aace5ae7b8e2609cce472b72a8958e134ba372808abe9cc1a0c0125e6
RUN groupadd --gid 10001 whatsapp && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data whatsapp \
    && install -d -m 0700 -o 10001 -g 10001 /data
COPY --from=build /opt/whatsapp-mcp /opt/whatsapp-mcp
ENV PATH=/opt/whatsapp-mcp/bin:$PATH \
    WHATSAPP_MCP_HOME=/data \
    HOME=/data \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8808
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8808/healthz', timeout=4)"]
CMD ["whatsapp-mcp", "serve", "--transport", "http", "--host", "0.0.0.0", "--port", "8808"]
