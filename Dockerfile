FROM golang:1.26.8 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown REVISION=unknown BRANCH=unknown BUILD_DATE=unknown
RUN make build VERSION="$VERSION" REVISION="$REVISION" BRANCH="$BRANCH" BUILD_DATE="$BUILD_DATE" BUILD_USER=docker

# Nothing but the static binary and the certificates of public authorities.
FROM scratch
ARG VERSION=unknown REVISION=unknown
LABEL org.opencontainers.image.title="airflow_exporter" \
      org.opencontainers.image.description="Prometheus exporter for Apache Airflow 2 and 3, by its stable REST API" \
      org.opencontainers.image.source="https://github.com/seed-9c0ac15d/airflow_exporter" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/airflow_exporter /bin/airflow_exporter
USER 65532:65532
EXPOSE 10112
ENTRYPOINT ["/bin/airflow_exporter"]
