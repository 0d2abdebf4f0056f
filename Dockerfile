# One image for every process of the mesh: `docker run IMAGE -m services.tenant`.
# Targets: `runtime` (the last, built by default), `sandbox`, which adds what a trial needs, and
# `media`, which adds what converts sound for WhatsApp.
ARG PYTHON=docker.io/library/python:3.11.14-slim-bookworm

# Of phonenumbers we read the numbering plans; what it knows of places and carriers is 38 MB.
FROM ${PYTHON} AS packages
COPY requirements/base.txt /requirements.txt
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r /requirements.txt \
 && /venv/bin/pip uninstall -y pip setuptools \
 && cd /venv/lib/python3.11/site-packages/phonenumbers && rm -r geodata carrierdata tzdata

FROM ${PYTHON} AS sandbox-packages
COPY requirements/sandbox.txt /requirements.txt
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r /requirements.txt \
 && /venv/bin/pip uninstall -y pip setuptools \
 && cd /venv/lib/python3.11/site-packages/phonenumbers && rm -r geodata carrierdata tzdata

FROM ${PYTHON} AS code
COPY gen /app/gen
COPY meshkit /app/meshkit
COPY copies /app/copies
COPY services /app/services
COPY gateway /app/gateway
COPY cli /app/cli
RUN python -m compileall -q /app

FROM ${PYTHON} AS base
ENV PYTHONPATH=/app:/app/gen PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/venv/bin:$PATH
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["python"]
CMD ["-m", "cli", "--help"]

FROM base AS sandbox
COPY --from=sandbox-packages /venv /venv
COPY --from=code /app /app
COPY sandbox /app/sandbox

FROM base AS media
USER root
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ffmpeg \
 && rm -rf /var/lib/apt/lists/*
USER 10001:10001
COPY --from=packages /venv /venv
COPY --from=code /app /app

FROM base AS runtime
COPY --from=packages /venv /venv
COPY --from=code /app /app
