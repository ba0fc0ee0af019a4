# The image of container and Kubernetes work pools: this project and its locked dependencies, nothing secret.
# Build: docker build -t registry.example.com/onboarding:0.1.0 .
FROM python:3.12-slim

WORKDIR /opt/onboarding

# First what changes rarely: the layer of dependencies is built again only when the lock changes. The lock holds hashes.
COPY requirements.lock ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r requirements.lock

COPY . ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-deps .

# The pull step of a container work pool is set_working_directory to /opt/onboarding.
RUN useradd --uid 10001 --create-home onboarding
USER 10001
ENV DO_NOT_TRACK=1 PREFECT_SERVER_ANALYTICS_ENABLED=false
