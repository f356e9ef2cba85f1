# One image for every process: the command decides which. Agents need `privileged`.
FROM debian:bookworm-slim AS base
ENV PYTHONUNBUFFERED=1 SLIPWAY_VENV=/opt/slipway/.venv PATH=/opt/slipway/.venv/bin:$PATH
WORKDIR /opt/slipway
COPY setup setup
COPY requirements.txt requirements-dev.txt requirements-node.txt ./
RUN setup/ready.sh && rm -rf /var/lib/apt/lists/*

FROM base AS frontend
COPY dashboard dashboard
RUN setup/frontend.sh

FROM base
COPY . .
COPY --from=frontend /opt/slipway/dashboard/static dashboard/static
ENV SLIPWAY_HOME=/var/lib/slipway
EXPOSE 6443 8080 5000
CMD ["python", "-m", "controlplane.serve"]
