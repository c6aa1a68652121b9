# The image that runs Spindrift: the host, and the application of this repository, which it serves when it is told no
# other. `scripts/image.sh` builds it. It is the image, too, that SpinKube's operator runs as `spinImage`.
#
# Rust's image and the runtime's are of the same Debian, since the binary is linked to its C library.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-slim-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS toolchain
RUN rustup target add wasm32-wasip2
WORKDIR /src

# What the dependencies' build depends on and nothing else: the manifests, the lock file, and empty programs where cargo
# looks for sources. As long as these stay the same, so does the next stage's layer.
FROM toolchain AS manifests
COPY . .
RUN find . -type f \
        ! -name Cargo.toml ! -name Cargo.lock \
        ! -path '*/src/lib.rs' ! -path '*/src/main.rs' ! -path './host/*/benches/*.rs' \
        ! -path './host/*/build.rs' ! -path './components/docs/build.rs' \
        -delete \
    && find . -name '*.rs' -exec sh -c 'for file; do echo "fn main() { }" >"$file"; done' -- {} +

FROM toolchain AS dependencies
COPY --from=manifests /src .
RUN cargo build --locked --release -p spindrift --bin spindrift \
    && for component in put get delete docs; do \
        cargo build --locked --release --target wasm32-wasip2 -p "spindrift-$component" || exit; \
    done

FROM dependencies AS build
COPY . .
# Cargo goes by time, and a checkout may be older than the layer below. Each component is built alone, as spin.toml has it.
RUN find . -name '*.rs' -exec touch {} + \
    && cargo build --locked --release -p spindrift --bin spindrift \
    && for component in put get delete docs; do \
        cargo build --locked --release --target wasm32-wasip2 -p "spindrift-$component" || exit; \
    done
# With `--build-arg PGO=true` the host is built twice more, with a profile of its own load.
ARG PGO=false
RUN if [ "$PGO" = true ]; then scripts/pgo.sh && cp target/pgo/spindrift target/release/spindrift; fi
# The code is for any CPU of the architecture, so the image runs on other machines than the one that builds it.
RUN target/release/spindrift compile --from spin.toml --output /compiled
# The folders that the host keeps what it has compiled in. They have to be there in a root file system that is read-only, and
# are within what is copied, since not every builder gives the folder that it copies to the owner of its contents.
RUN mkdir -p /cache/spindrift/compiled-components

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="spindrift" \
      org.opencontainers.image.description="A replicated, in-memory key-value store that runs Spin applications" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
WORKDIR /app
COPY --from=build /src/target/release/spindrift /usr/local/bin/spindrift
COPY --from=build --chown=65532:65532 /cache /var/cache
COPY --from=build /compiled /app/compiled
COPY --from=build /src/spin.toml /app/
COPY --from=build \
     /src/target/wasm32-wasip2/release/spindrift_put.wasm \
     /src/target/wasm32-wasip2/release/spindrift_get.wasm \
     /src/target/wasm32-wasip2/release/spindrift_delete.wasm \
     /src/target/wasm32-wasip2/release/spindrift_docs.wasm \
     /app/target/wasm32-wasip2/release/
ENV SPIN_HTTP_LISTEN_ADDR=0.0.0.0:3000 \
    SPINDRIFT_CACHE_DIR=/var/cache/spindrift \
    SPINDRIFT_COMPILED_DIR=/app/compiled
EXPOSE 3000
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/spindrift"]
CMD ["up"]
