# One image for every worker: `docker run stream-gov:0.1.0 ingest`, `detect`, `sink influx` and so on.
ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/stream-gov
# the locked requirements change rarely: a layer of their own
COPY requirements/runtime.txt requirements/runtime.txt
RUN /opt/stream-gov/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY stream_gov stream_gov
RUN /opt/stream-gov/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/stream-gov/bin/pip uninstall --yes --quiet setuptools pip \
    # a tenth of the size: the libraries' own tests, and headers for compilers
    && find /opt/stream-gov/lib -type d \( -name tests -o -path '*/pyarrow/include' \) -prune -exec rm -rf {} +

FROM python:${PYTHON_VERSION}-slim-bookworm
RUN groupadd --gid 10001 stream-gov \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/stream-gov --shell /usr/sbin/nologin stream-gov \
    && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/stream-gov
COPY --from=build /opt/stream-gov /opt/stream-gov
ENV PATH=/opt/stream-gov/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    STREAM_GOV_STATE_DIR=/var/lib/stream-gov \
    STREAM_GOV_METRICS_HOST=0.0.0.0 \
    STREAM_GOV_METRICS_PORT=9464 \
    STREAM_GOV_LOG_FORMAT=json
WORKDIR /var/lib/stream-gov
USER 10001:10001
EXPOSE 9464
STOPSIGNAL SIGTERM
# every long-running worker answers on /metrics; an image without curl asks with Python
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/metrics', timeout=4).read(1)"]
ENTRYPOINT ["stream-gov"]
CMD ["--help"]
