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
RUN useradd --system --uid 10001 --home-dir /var/lib/smppbridge --create-home smppbridge
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-index --find-links /wheels smppbridge && rm -rf /wheels
USER smppbridge
WORKDIR /var/lib/smppbridge
VOLUME /var/lib/smppbridge
# HTTP: metrics, /healthz and /readyz. Links are outbound connections and need no port.
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
CMD ["smppbridge", "run", "-c", "/etc/smppbridge/bridge.toml"]
