# Four images of one build: docker build --target agent|operator|binder|decode .
ARG BASE_IMAGE=docker.io/library/debian:trixie-slim

FROM ${BASE_IMAGE} AS native
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends gcc libc6-dev libnuma-dev make >/dev/null
COPY pyproject.toml /src/
COPY native /src/native
RUN make -s -C /src/native all

FROM ${BASE_IMAGE} AS python
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends python3 >/dev/null \
 && rm -rf /var/lib/apt/lists/*
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

# Packages are installed beside the image's Python, so pip and its tools stay out of the images.
FROM python AS packages
ARG DEBIAN_FRONTEND=noninteractive
# A certificate bundle inside the build, where the way to the package index has its own authority.
ARG PIP_CERT
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-pip >/dev/null
WORKDIR /src
COPY pyproject.toml setup/dependencies.py /src/
ENV PIP_ROOT_USER_ACTION=ignore
RUN for extra in deviceplugin operator; do \
      python3 dependencies.py $extra >$extra.txt \
      && pip install --quiet --no-compile --target=/packages/$extra -r $extra.txt || exit 1; \
    done \
 # Root file systems are read-only: what is not compiled here is compiled at every start.
 && python3 -m compileall -q --invalidation-mode unchecked-hash /packages

FROM python AS agent
COPY --from=packages /packages/deviceplugin /usr/local/lib/numalocal
COPY core/numalocal /usr/local/lib/numalocal/numalocal
COPY deviceplugin/numalocal_deviceplugin /usr/local/lib/numalocal/numalocal_deviceplugin
RUN python3 -m compileall -q --invalidation-mode unchecked-hash \
      /usr/local/lib/numalocal/numalocal /usr/local/lib/numalocal/numalocal_deviceplugin
ENV PYTHONPATH=/usr/local/lib/numalocal
ENTRYPOINT ["python3", "-m", "numalocal_deviceplugin"]

FROM python AS operator
COPY --from=packages /packages/operator /usr/local/lib/numalocal
COPY core/numalocal /usr/local/lib/numalocal/numalocal
COPY operator/numalocal_operator /usr/local/lib/numalocal/numalocal_operator
RUN python3 -m compileall -q --invalidation-mode unchecked-hash \
      /usr/local/lib/numalocal/numalocal /usr/local/lib/numalocal/numalocal_operator
ENV PYTHONPATH=/usr/local/lib/numalocal
USER 65532:65532
ENTRYPOINT ["python3", "-m", "numalocal_operator"]

FROM scratch AS binder
COPY --from=native /src/build/numalocal-bind /numalocal-bind
USER 65532:65532
ENTRYPOINT ["/numalocal-bind"]

# The example engine, with the binder for one process per rank.
FROM ${BASE_IMAGE} AS decode
ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends libgomp1 >/dev/null \
 && rm -rf /var/lib/apt/lists/*
COPY --from=native /src/build/numalocal-bind /src/build/numalocal-decode /usr/local/bin/
USER 65532:65532
CMD ["numalocal-decode", "--seconds", "0"]
