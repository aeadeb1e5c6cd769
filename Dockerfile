FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md requirements.txt requirements-dev.txt ./
COPY smppcore smppcore
COPY bridge bridge
COPY conf conf
# The build backend and its parts at the pinned versions, nothing else of the workshop.
RUN grep -E '^(hatchling|packaging|pathspec|pluggy|trove-classifiers)==' requirements-dev.txt > build.txt \
 && pip install --no-cache-dir -r build.txt \
 && pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && pip wheel --no-cache-dir --wheel-dir /wheels -r requirements.txt

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/smppbridge --create-home smppbridge \
 && chmod 700 /var/lib/smppbridge
# Mounted and not copied: the wheels are no layer of the image.
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels smppbridge
# By its number, by which Kubernetes sees that it is not root.
USER 10001
WORKDIR /var/lib/smppbridge
VOLUME /var/lib/smppbridge
# HTTP: metrics, /healthz and /readyz. Links are outbound connections and need no port.
EXPOSE 8080
# Health, not readiness: a carrier that is down is no reason to start the container anew.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
CMD ["smppbridge", "run", "-c", "/etc/smppbridge/bridge.toml"]
