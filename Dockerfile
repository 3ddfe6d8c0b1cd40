# Weft as one image: the command `weft`, the pinned Node, nats-server. The target `envoy` adds real Envoy.
#   docker build -t weft .                      docker build -t weft-envoy --target envoy .
FROM debian:bookworm-slim AS base

# Whatever certificate authorities the base image was given are trusted by npm and pip too.
FROM base AS tools
ENV DEBIAN_FRONTEND=noninteractive NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends ca-certificates npm python3-pip \
 && rm -rf /var/lib/apt/lists/*

# The manifests by themselves, so that a change of the source does not fetch the packages again.
FROM base AS manifests
WORKDIR /manifests
COPY . .
RUN find . -type f ! -name package.json ! -name package-lock.json -delete

FROM tools AS build
WORKDIR /weft
COPY --from=manifests /manifests ./
RUN npm ci --omit=dev --no-audit --no-fund --loglevel=error
COPY . .
ENV WEFT_CACHE=/cache
RUN node_modules/node/bin/node scripts/prepare.ts run \
 && cksum < package-lock.json | tr -d ' \n' > node_modules/.weft-run \
 && ./weft binaries fetch nats-server

FROM build AS build-envoy
RUN ./weft binaries fetch envoy

FROM base AS weft
RUN useradd --system --uid 65532 --home-dir /state --create-home weft \
 && install -d -o weft -g weft /join
COPY --from=build /weft /weft
COPY --from=build /cache /cache
ENV WEFT_CACHE=/cache PATH=/weft:/weft/node_modules/node/bin:/usr/local/bin:/usr/bin:/bin WEFT_STATE=/state
USER weft
WORKDIR /state
ENTRYPOINT ["/weft/weft"]
CMD ["up", "--node-listen", "0.0.0.0:7440"]

FROM weft AS envoy
COPY --from=build-envoy /cache /cache

# Last, so that it is what `docker build .` makes.
FROM weft
