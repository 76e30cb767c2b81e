# syntax=docker/dockerfile:1
# The images of Ringway: static binaries on nothing, as uid 65532.
#
#   docker build --target operator  -t ringway/operator:0.1.0  .
#   docker build --target dataplane -t ringway/dataplane:0.1.0 .
#   docker build --target cli       -t ringway/cli:0.1.0       .
#
# Alpine's toolchain links musl, so the binaries need neither a C library nor its files for names and addresses. For a build that can be repeated give
# the base by digest: --build-arg RUST=rust:1.95.0-alpine3.22@sha256:...
# The final stages only copy single files: the packer without a daemon that the tests use (e2e/cluster/image.py) reads them here.
ARG RUST=rust:1.95.0-alpine3.22

FROM ${RUST} AS build
# A C compiler and the headers of the kernel for the TLS library and the allocator; the authorities that the images trust.
RUN apk add --no-cache build-base linux-headers ca-certificates
WORKDIR /source
COPY . .
ENV CARGO_TERM_COLOR=never
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=ringway-target,target=/source/target,sharing=locked \
    cargo build --locked --release -p ringway-operator -p ringway-dataplane -p ringway --bins \
    && mkdir -p /out \
    && for name in ringway-operator ringway-dataplane ringway; do strip --strip-debug -o "/out/$name" "target/release/$name"; done

# What all three share. The authorities of the web: backends on the internet are checked against them; SSL_CERT_FILE names others.
FROM scratch AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
COPY --from=build --chmod=0644 /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
WORKDIR /
LABEL org.opencontainers.image.vendor="Ringway" org.opencontainers.image.licenses="Apache-2.0" org.opencontainers.image.url="https://ringway.dev" org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}"

FROM runtime AS operator
LABEL org.opencontainers.image.title="ringway-operator" org.opencontainers.image.description="Watches the resources, serves configuration to the data plane, writes status"
COPY --from=build --chmod=0755 /out/ringway-operator /ringway-operator
EXPOSE 18000 18080
ENTRYPOINT ["/ringway-operator"]

FROM runtime AS dataplane
LABEL org.opencontainers.image.title="ringway-dataplane" org.opencontainers.image.description="The MCP gateway's proxy"
COPY --from=build --chmod=0755 /out/ringway-dataplane /ringway-dataplane
EXPOSE 8080 8443 9090
ENTRYPOINT ["/ringway-dataplane"]

FROM runtime AS cli
LABEL org.opencontainers.image.title="ringway" org.opencontainers.image.description="The command line of Ringway"
COPY --from=build --chmod=0755 /out/ringway /ringway
ENTRYPOINT ["/ringway"]
