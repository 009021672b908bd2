# The project in an image, for a machine that can have no environment of its own.
#
#     docker build --platform linux/amd64 -t brain-mri-pipeline .
#     docker run --rm -v "$PWD":/data brain-mri-pipeline run --preset sample
#
# Debian 13 and Python 3.13, as the Debian root file system of bin/sandbox.sh; bin/python builds the
# environment from the lock file here as it does everywhere. `--build-arg BRAIN_MRI_GPU=1` takes the
# packages for an NVIDIA GPU along.

FROM python:3.13-slim-trixie AS environment
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
ARG BRAIN_MRI_GPU=0
ENV BRAIN_MRI_CACHE=/opt/brain-mri BRAIN_MRI_GPU=$BRAIN_MRI_GPU
COPY bin /app/bin
COPY requirements /app/requirements
RUN /app/bin/python --version && rm -rf /opt/brain-mri/uv

FROM python:3.13-slim-trixie
ARG BRAIN_MRI_GPU=0
ENV BRAIN_MRI_CACHE=/opt/brain-mri BRAIN_MRI_GPU=$BRAIN_MRI_GPU
RUN useradd --create-home --uid 1000 mri && install --directory --owner mri /data
COPY --from=environment /opt/brain-mri /opt/brain-mri
RUN install --directory --owner mri /opt/brain-mri/weights
COPY . /app
USER mri
WORKDIR /data
ENTRYPOINT ["/app/bin/mri"]
