# The project in container images, one target each:
#
#     docker build --platform linux/amd64 -t brain-mri-pipeline .        everything
#     docker build --target server -t brain-mri-server .                 the embedded model server
#     docker build --target page -t brain-mri-page .                     the page, without TensorFlow
#     docker build --target render --build-context model=work/serving/brain_mri -t REGISTRY/brain-mri .
#                                                the page, the server and a model in one small service
#     docker build --target beam -t brain-mri-beam .                     a worker for Apache Beam
#
# All run as the user 1000, by number, so that Kubernetes can tell that it is not root.
#
# Debian 13 and Python 3.13, as the Debian root file system of bin/sandbox.sh, and the versions of the
# lock file, each file checked by its hash. docs/deploy.md says how the images are run.

FROM python:3.13-slim-trixie AS base
RUN useradd --create-home --uid 1000 mri && install --directory --owner mri /data
WORKDIR /data

# The small images: parts of the lock file, in a plain virtual environment.
FROM base AS installer
RUN python -m venv /opt/venv
COPY bin/install.py /app/bin/install.py
COPY requirements /app/requirements

FROM installer AS server-environment
RUN /opt/venv/bin/python /app/bin/install.py --cache /tmp/uv \
    --only /app/requirements/server.in /app/requirements/lock.txt

FROM installer AS page-environment
RUN /opt/venv/bin/python /app/bin/install.py --cache /tmp/uv \
    --only /app/requirements/page.in /app/requirements/lock.txt

FROM page-environment AS render-environment
RUN /opt/venv/bin/python /app/bin/install.py --cache /tmp/uv \
    --only /app/requirements/server.in /app/requirements/lock.txt

# The synthetic examples are drawn here, so that no image that shows them needs what draws them.
FROM page-environment AS examples
RUN /opt/venv/bin/python /app/bin/install.py --cache /tmp/uv \
    --only /app/requirements/sample.in /app/requirements/lock.txt
COPY components /app/components
COPY imaging /app/imaging
COPY mri /app/mri
COPY pipeline /app/pipeline
COPY samples /app/samples
ENV PYTHONPATH=/app
RUN /opt/venv/bin/python -m mri data sample /opt/examples --per-class 1 --seed 5

FROM base AS server
COPY --from=server-environment /opt/venv /opt/venv
COPY components /app/components
COPY imaging /app/imaging
COPY serving /app/serving
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1
USER 1000
EXPOSE 8500 8501
ENTRYPOINT ["python", "-m", "serving.server", "--bind_address=0.0.0.0"]
CMD ["--port=8500", "--rest_api_port=8501", "--model_name=brain_mri", \
    "--model_base_path=/models/brain_mri", "--enable_grpc_healthcheck_service"]

FROM base AS page
COPY --from=page-environment /opt/venv /opt/venv
COPY --from=examples /opt/examples /opt/examples
COPY components /app/components
COPY imaging /app/imaging
COPY mri /app/mri
COPY pipeline /app/pipeline
COPY samples /app/samples
COPY serving /app/serving
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1
ENV MRI_WEB_EXAMPLES=/opt/examples
USER 1000
EXPOSE 8000
ENTRYPOINT ["python", "-m", "mri"]
CMD ["web", "--host", "0.0.0.0", "--port", "8000", "--server", "http://server:8501"]

FROM page AS render
COPY --from=render-environment /opt/venv /opt/venv
COPY --from=model / /data/work/serving/brain_mri
EXPOSE 10000
CMD ["web", "--host", "0.0.0.0", "--port", "10000", "--work", "/data/work"]

# Everything, in the environment that bin/python builds. `--build-arg BRAIN_MRI_GPU=1` takes the
# packages for an NVIDIA GPU along.
FROM python:3.13-slim-trixie AS environment
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/*
ARG BRAIN_MRI_GPU=0
ENV BRAIN_MRI_CACHE=/opt/brain-mri BRAIN_MRI_GPU=$BRAIN_MRI_GPU
COPY bin /app/bin
COPY requirements /app/requirements
RUN /app/bin/python --version \
    && ln -s "$(/app/bin/python --show-environment)" /opt/brain-mri/environment \
    && rm -rf /opt/brain-mri/uv

# A task on Kubeflow and a worker of Beam's run `python -m MODULE`: that is the environment's.
FROM base AS everything
ARG BRAIN_MRI_GPU=0
ENV BRAIN_MRI_CACHE=/opt/brain-mri BRAIN_MRI_GPU=$BRAIN_MRI_GPU
ENV PATH=/opt/brain-mri/environment/bin:$PATH PYTHONPATH=/app PYTHONSAFEPATH=1
COPY --from=environment /opt/brain-mri /opt/brain-mri
RUN install --directory --owner mri /opt/brain-mri/weights
COPY . /app
USER 1000

# A worker for Beam on Flink, Spark or Dataflow; Beam's version is the lock file's.
FROM everything AS beam
COPY --from=apache/beam_python3.13_sdk:2.77.0 /opt/apache/beam /opt/apache/beam
ENV RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
ENTRYPOINT ["/opt/apache/beam/boot"]

FROM everything AS pipeline
ENTRYPOINT ["/app/bin/mri"]
